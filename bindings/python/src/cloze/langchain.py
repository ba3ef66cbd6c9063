"""Embeddings for LangChain: ``ClozeEmbeddings`` (package langchain-core)."""

from __future__ import annotations

import os
from typing import Any, Union

from langchain_core.embeddings import Embeddings

from ._embedder import Embedder
from ._model import Model

__all__ = ["ClozeEmbeddings"]


class ClozeEmbeddings(Embeddings):
    """LangChain's embeddings by a model: queries and documents with the prompts that its files have for them.

    path     as in ``cloze.load``, or a loaded Model
    options  ``precision``, ``threads``, ``pooling``, ``normalize``, ``dimensions``, ``max_tokens``, ``truncation``
    """

    def __init__(self, path: Union[str, "os.PathLike[str]", Model, None] = None, **options: Any) -> None:
        self._embedder = Embedder(path, **options)

    @property
    def model(self) -> Model:
        """The loaded model."""
        return self._embedder.model

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """A vector per text."""
        return self._embedder.documents(texts).tolist()

    def embed_query(self, text: str) -> list[float]:
        """The vector of a query."""
        return self._embedder.queries([text])[0].tolist()
