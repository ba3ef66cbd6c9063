"""Embeddings for scikit-learn: ``TextEmbedder``, a transformer of texts to vectors."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, Optional, Union

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ._embedder import Embedder

__all__ = ["TextEmbedder"]


class TextEmbedder(TransformerMixin, BaseEstimator):
    """Transforms texts into vectors (B, E) float32, for pipelines and grid searches. Nothing is learned: ``fit`` loads
    the model. It is cloned and pickled by its parameters; the model is loaded again where it is used.

    path        as in ``cloze.load``
    precision   ``"int8"`` or ``"float32"``; None: as in ``cloze.load``
    threads     None: as many as the process may use; with ``n_jobs``, give each job its share
    prompt      the name of a prompt in the model's files; None: their default one, if any; ``""``: none
    pooling, normalize, dimensions, max_tokens, truncation
                as in ``Model.embed``

    Attributes after ``fit``: ``model_``, the loaded model; ``n_features_out_``, the width of the vectors.
    """

    def __init__(
        self,
        path: Union[str, "os.PathLike[str]", None] = None,
        *,
        precision: Optional[str] = None,
        threads: Optional[int] = None,
        prompt: Optional[str] = None,
        pooling: Optional[str] = None,
        normalize: Optional[bool] = None,
        dimensions: Optional[int] = None,
        max_tokens: Optional[int] = None,
        truncation: str = "longest_first",
    ) -> None:
        self.path = path
        self.precision = precision
        self.threads = threads
        self.prompt = prompt
        self.pooling = pooling
        self.normalize = normalize
        self.dimensions = dimensions
        self.max_tokens = max_tokens
        self.truncation = truncation

    def fit(self, X: Iterable[str], y: Any = None) -> "TextEmbedder":
        """Loads the model, and checks texts and options by embedding the first text."""
        texts = _texts(X)
        self._load()
        self.n_features_out_ = self._embed(texts[:1]).shape[1]
        return self

    def transform(self, X: Iterable[str]) -> np.ndarray:
        """The vectors (B, E) of the texts, or pairs of texts."""
        check_is_fitted(self, "n_features_out_")
        if not hasattr(self, "model_"):  # after unpickling
            self._load()
        return self._embed(_texts(X))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """textembedder0, textembedder1, ..."""
        check_is_fitted(self, "n_features_out_")
        return np.array([f"textembedder{i}" for i in range(self.n_features_out_)], dtype=object)

    def _load(self) -> None:
        self.model_ = Embedder(self.path, precision=self.precision, threads=self.threads).model

    def _embed(self, texts: list[Any]) -> np.ndarray:
        return self.model_.embed(
            texts, prompt=self.prompt, pooling=self.pooling, normalize=self.normalize, dimensions=self.dimensions,
            max_tokens=self.max_tokens, truncation=self.truncation)

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        state.pop("model_", None)
        return state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        return tags


def _texts(X: Iterable[str]) -> list[Any]:
    """A list of texts, from a list, an array, a Series or a column of a frame."""
    if isinstance(X, (str, bytes)):
        raise ValueError("X is a single text; pass a list of texts")
    shape = getattr(X, "shape", None)
    if shape is not None and len(shape) == 2:
        if shape[1] != 1:
            raise ValueError(f"X has {shape[1]} columns; texts are one column")
        X = np.asarray(X)[:, 0]
    texts = list(X)
    if not texts:
        raise ValueError("X holds no texts; at least one is needed")
    return texts
