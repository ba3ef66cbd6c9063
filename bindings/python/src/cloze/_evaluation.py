"""What is known of a head's predictions of labelled examples."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import Any, Callable, NamedTuple, Optional, Union

import numpy as np

from ._library import Handle, check
from ._sources import file_name


class Score(NamedTuple):
    """Precision, recall and F1 of a label or type of entity, 0 without a denominator, and how often it occurs."""

    precision: float
    recall: float
    f1: float
    support: int


class Mistake(NamedTuple):
    """A wrong prediction."""

    #: The index of the example among those that were evaluated.
    example: int
    #: Where it was read, as "test.tsv:17"; None where it was in a list.
    place: Optional[str]
    text: str
    truth: str
    predicted: str
    #: Cross-entropy; of regression the distance, of answers 1 - F1.
    loss: float


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """How a head does on labelled examples: of ``Model.evaluate``, and of a training on its validation set."""

    task: str
    #: Under the names of training, the loss last.
    metrics: dict[str, float]
    #: The name of the metric that counts.
    metric: str
    #: Its value for a prediction that reads no text; None where there is none.
    baseline: Optional[float]
    #: What that predicts: 'always "no", the most frequent in training'.
    baseline_is: Optional[str]
    #: The number of examples, of bad ones that were left out, and of truncated ones.
    examples: int
    skipped: int
    truncated: int
    #: The head's labels; empty for numbers, answers and masked tokens.
    labels: tuple[str, ...]
    #: classify, multilabel, tag: of each label.
    classes: dict[str, Score]
    #: tag: of each type of entity.
    entities: dict[str, Score]
    #: classify, tag: (C, C) int64, true by predicted label; None for other tasks.
    confusion: Optional[np.ndarray]
    #: The wrong predictions with the largest loss, largest first, at most 50.
    most_wrong: tuple[Mistake, ...]
    #: What the examples and the figures give reason to say, in sentences; each was also a warning.
    remarks: tuple[str, ...]
    _source: Handle = field()
    _write: Callable[[Handle, bytes], int] = field()

    @classmethod
    def _read(cls, text: str, source: Handle, write: Callable[[Handle, bytes], int]) -> Evaluation:
        """From the library's JSON.

        source  the handle that has the evaluation;  write: writes its report to a path
        """
        values: dict[str, Any] = json.loads(text)

        def scores(key: str, name: str) -> dict[str, Score]:
            return {entry.pop(name): Score(**entry) for entry in values[key]}

        values["classes"], values["entities"] = scores("classes", "label"), scores("entities", "type")
        values["metrics"] = {name: float("nan") if value is None else value for name, value in values["metrics"].items()}
        values["confusion"] = np.array(values["confusion"], np.int64) if values["confusion"] else None
        values["most_wrong"] = tuple(
            Mistake(**{**entry, "loss": float("nan") if entry["loss"] is None else entry["loss"]})
            for entry in values["most_wrong"])
        values["labels"], values["remarks"] = tuple(values["labels"]), tuple(values["remarks"])
        return cls(**values, _source=source, _write=write)

    @property
    def value(self) -> float:
        """Of the metric that counts."""
        return self.metrics[self.metric]

    def report(self, path: Union[str, os.PathLike[str]]) -> None:
        """Writes a page of HTML: metrics, scores, confusion, and the predictions that are most wrong."""
        check(self._write(self._source, file_name("path", path)))

    def __repr__(self) -> str:
        baseline = "" if self.baseline is None else f" (baseline {self.baseline:.4f})"
        return f"<Evaluation of {self.task}: {self.metric} {self.value:.4f}{baseline}, {self.examples} examples>"
