"""Embeddings for LlamaIndex: ``ClozeEmbedding`` (package llama-index-core)."""

from __future__ import annotations

import asyncio
import os
from typing import Any, Union

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import PrivateAttr

from ._embedder import Embedder
from ._model import Model

__all__ = ["ClozeEmbedding"]


class ClozeEmbedding(BaseEmbedding):
    """LlamaIndex's embeddings by a model: queries and documents with the prompts that its files have for them.

    path     as in ``cloze.load``, or a loaded Model
    options  ``precision``, ``threads``, ``pooling``, ``normalize``, ``dimensions``, ``max_tokens``, ``truncation``;
             others are LlamaIndex's own, such as ``embed_batch_size`` and ``callback_manager``
    """

    _embedder: Embedder = PrivateAttr()

    def __init__(self, path: Union[str, "os.PathLike[str]", Model, None] = None, **options: Any) -> None:
        own = {name: options.pop(name) for name in list(options) if name in type(self).model_fields}
        own.setdefault("model_name", "cloze" if path is None or isinstance(path, Model) else os.fspath(path))
        # The library makes batches of its own, by tokens; this is how often progress is shown.
        own.setdefault("embed_batch_size", 256)
        super().__init__(**own)
        self._embedder = Embedder(path, **options)

    @classmethod
    def class_name(cls) -> str:
        return "ClozeEmbedding"

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._embedder.queries([query])[0].tolist()

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await asyncio.to_thread(self._get_query_embedding, query)

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self._embedder.documents(texts).tolist()

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)
