"""What the adapters for frameworks share: a model by its path, and options of ``embed``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, Optional, Union

import numpy as np

from ._load import load
from ._model import Model

#: Names of prompts for queries and for documents, as sentence-transformers looks for them, in this order.
QUERY = ("query",)
DOCUMENT = ("document", "passage", "corpus")


class Embedder:
    """Embeds queries and documents, each with the prompt that the model's files have for it; without such a prompt,
    with their default one, if any.

    path     as in ``cloze.load``, or a loaded Model
    options  ``precision``, ``threads`` and ``isa`` of ``cloze.load`` (for a path), and ``pooling``, ``normalize``,
             ``dimensions``, ``max_tokens``, ``truncation`` of ``Model.embed``
    """

    def __init__(self, path: Union[str, "os.PathLike[str]", Model, None] = None, **options: Any) -> None:
        loading = {name: options.pop(name) for name in ("precision", "threads", "isa") if options.get(name) is not None}
        for name in ("precision", "threads", "isa"):
            options.pop(name, None)
        if isinstance(path, Model):
            if loading:
                raise TypeError(f"{', '.join(loading)} belongs to loading, but a loaded model is given")
            self.model = path
        else:
            self.model = load(path, **loading)
        self.options = {name: value for name, value in options.items() if value is not None}

    def prompt(self, names: Sequence[str]) -> Optional[str]:
        """The first of the names that the model's files have a prompt for."""
        return next((name for name in names if name in self.model.info.prompts), None)

    def queries(self, texts: Iterable[str]) -> np.ndarray:
        """(B, E) float32"""
        return self.model.embed(texts, prompt=self.prompt(QUERY), **self.options)

    def documents(self, texts: Iterable[str]) -> np.ndarray:
        """(B, E) float32"""
        return self.model.embed(texts, prompt=self.prompt(DOCUMENT), **self.options)
