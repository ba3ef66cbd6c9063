"""Cloze: an inference runtime for BERT on the CPU, in int8 or float32, without padding.

    >>> import cloze
    >>> model = cloze.load()                        # the built-in model, or a path to a BERT
    >>> model.embed(["a text", ("a", "pair")])      # (2, D) float32
    >>> model.fill_mask("The first world [MASK] began in 1914.", top_k=3)

Failures are raised as ``cloze.Error``.
"""

from __future__ import annotations

from ._convert import convert
from ._errors import ArgumentError, Error
from ._evaluation import Evaluation
from ._export import export
from ._info import ModelInfo
from ._inspect import inspect
from ._library import version as __version__
from ._load import load
from ._model import Model
from ._predict import Entity, Prediction, Span, Tag
from ._pretrain import PretrainingResult, pretrain
from ._quantize import quantize
from ._search import VectorIndex, search
from ._texts import Text
from ._tokenizer import Encoding, Tokenizer
from ._train import TrainingResult, train
from ._vocabulary import vocabulary

__all__ = [
    "ArgumentError",
    "Encoding",
    "Entity",
    "Error",
    "Evaluation",
    "Model",
    "ModelInfo",
    "Prediction",
    "PretrainingResult",
    "Span",
    "Tag",
    "Text",
    "Tokenizer",
    "TrainingResult",
    "VectorIndex",
    "__version__",
    "convert",
    "export",
    "inspect",
    "load",
    "pretrain",
    "quantize",
    "search",
    "train",
    "vocabulary",
]
