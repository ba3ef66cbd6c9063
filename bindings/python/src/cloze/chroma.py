"""An embedding function for Chroma: ``ClozeEmbeddingFunction`` (package chromadb)."""

from __future__ import annotations

import os
from typing import Any, Union

from chromadb.api.types import Documents, EmbeddingFunction, Embeddings
from chromadb.utils.embedding_functions import register_embedding_function

from ._embedder import Embedder

__all__ = ["ClozeEmbeddingFunction"]


@register_embedding_function
class ClozeEmbeddingFunction(EmbeddingFunction[Documents]):
    """Chroma's embeddings by a model: queries and documents with the prompts that its files have for them.

    A collection keeps the path and the options, so that it can be opened again without naming them.

    path     as in ``cloze.load``
    options  ``precision``, ``threads``, ``pooling``, ``normalize``, ``dimensions``, ``max_tokens``, ``truncation``
    """

    def __init__(self, path: Union[str, "os.PathLike[str]", None] = None, **options: Any) -> None:
        self._path = None if path is None else os.path.abspath(os.fspath(path))
        self._options = {name: value for name, value in options.items() if value is not None}
        self._embedder = Embedder(path, **options)

    def __call__(self, input: Documents) -> Embeddings:
        return list(self._embedder.documents(input))

    def embed_query(self, input: Documents) -> Embeddings:
        return list(self._embedder.queries(input))

    @staticmethod
    def name() -> str:
        return "cloze"

    def default_space(self) -> str:
        return "cosine"

    def supported_spaces(self) -> list[str]:
        return ["cosine", "l2", "ip"]

    def get_config(self) -> dict[str, Any]:
        return {"path": self._path, **self._options}

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> "ClozeEmbeddingFunction":
        return ClozeEmbeddingFunction(**config)

    def validate_config_update(self, old_config: dict[str, Any], new_config: dict[str, Any]) -> None:
        """ValueError where the vectors of a collection would become others."""
        for key in sorted({*old_config, *new_config} - {"path", "threads"}):
            if old_config.get(key) != new_config.get(key):
                raise ValueError(f"{key} is {new_config.get(key)!r}, but the collection's vectors were made with "
                                 f"{old_config.get(key)!r}")

    @staticmethod
    def validate_config(config: dict[str, Any]) -> None:
        """ValueError for what is no option."""
        known = {"path", "precision", "threads", "isa", "pooling", "normalize", "dimensions", "max_tokens", "truncation"}
        if unknown := sorted(set(config) - known):
            raise ValueError(f"unknown options {', '.join(unknown)}; there are {', '.join(sorted(known))}")
