"""What a trained head says of texts."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Optional, Union

import numpy as np

from ._arrays import address
from ._errors import error, invalid
from ._library import lib
from ._texts import pack, positions_of

if TYPE_CHECKING:
    from ._model import Model

_PREDICTIONS = np.dtype(
    [("text", np.int64), ("begin", np.int64), ("end", np.int64), ("label", np.int32), ("score", np.float32)],
    align=True)

#: A word's tag: first character, the character after its last, tag, probability.
Tag = tuple[int, int, str, float]


@dataclass(frozen=True)
class Prediction:
    """What a head says of one input; what its task does not have is None, or empty."""

    #: The most probable class.
    label: Optional[str] = None
    #: Of each of ``info.labels``.
    probabilities: tuple[float, ...] = ()
    #: The labels of 0.5 or more, of a head whose labels do not exclude each other.
    labels: tuple[str, ...] = ()
    #: The number.
    value: Optional[float] = None
    #: A tag for each word that was given; of a text (first character, character after the last, tag, probability)
    #: for each word in it.
    tags: Union[tuple[str, ...], tuple[Tag, ...]] = ()
    #: The answer; "" where the passage holds none.
    answer: Optional[str] = None
    #: Its first character in the passage, and the character after its last; None where there is none.
    span: Optional[tuple[int, int]] = None
    #: Whether the input was cut.
    truncated: bool = False


def predict(model: Model, inputs: Iterable[Any]) -> list[Prediction]:
    if isinstance(inputs, (str, bytes)) or not isinstance(inputs, Iterable):
        raise TypeError(f"inputs is {type(inputs).__name__}; pass a list of texts, [text] for a single one")
    given = list(inputs)
    task = (lib.cloze_model_task(model._handle) or b"").decode()
    words: list[Optional[list[str]]] = [None] * len(given)
    texts: list[Any] = list(given)
    if task == "tag":
        for index, item in enumerate(given):
            if isinstance(item, (list, tuple)):
                if not all(isinstance(word, str) for word in item):
                    raise TypeError(f"inputs[{index}] is no list of words")
                words[index] = list(item)
                texts[index] = " ".join(item)
    packed = pack(texts, "inputs")
    truncated = np.zeros(packed.count, np.uint8)
    # Two labels a token at least, and room for all of a few classes; more is asked for when it is needed.
    room = np.empty(packed.count * max(len(model.info.labels), 1) + packed.tokens, _PREDICTIONS)
    found = ctypes.c_size_t()
    while packed.count:
        output = room

        def call(session: object) -> int:
            return int(lib.cloze_predict(
                session, ctypes.byref(packed.struct), address(output), output.size, ctypes.byref(found),
                address(truncated)))

        try:
            model._sessions.run(call, packed.tokens * model._encoder_operations, (packed, output, truncated, found))
            break
        except Exception as refused:
            if getattr(refused, "status", "") != "buffer_too_small" or found.value <= room.size:
                raise
            room = np.empty(found.value, _PREDICTIONS)
    entries: list[list[tuple[int, int, int, int, float]]] = [[] for _ in given]
    for entry in room[: found.value].tolist():
        entries[entry[0]].append(entry)
    return [
        _prediction(task, model.info.labels, text, sentence, rows, bool(cut))
        for text, sentence, rows, cut in zip(texts, words, entries, truncated.tolist())]


def _prediction(
    task: str, labels: tuple[str, ...], text: Any, words: Optional[list[str]],
    rows: list[tuple[int, int, int, int, float]], cut: bool,
) -> Prediction:
    if task in ("regress", "regress-pairs"):
        return Prediction(value=rows[0][4], truncated=cut)
    if task == "answer":
        _, begin, end, label, score = rows[0]
        if label < 0:
            return Prediction(answer="", truncated=cut)
        passage = text[1]
        begin, end = _characters(passage, [begin, end])
        return Prediction(answer=passage[begin:end], span=(begin, end), probabilities=(score,), truncated=cut)
    if task == "tag":
        if words is not None:
            return Prediction(tags=tuple(_tags(words, labels, rows)), truncated=cut)
        places = _characters(text, [place for row in rows for place in row[1:3]])
        return Prediction(
            tags=tuple(
                (places[2 * i], places[2 * i + 1], labels[row[3]], row[4]) for i, row in enumerate(rows)),
            truncated=cut)
    shares = [0.0] * len(labels)
    for row in rows:
        shares[row[3]] = row[4]
    if task == "multilabel":
        chosen = tuple(label for label, share in zip(labels, shares) if share >= 0.5)
        return Prediction(labels=chosen, probabilities=tuple(shares), truncated=cut)
    if not rows:
        raise error("internal", "the library gave no label")
    return Prediction(label=labels[rows[0][3]], probabilities=tuple(shares), truncated=cut)


def _characters(text: str, offsets: list[int]) -> list[int]:
    """Bytes of UTF-8 as characters."""
    before = positions_of(text.encode())
    return offsets if before is None else before[np.array(offsets, np.int64)].tolist()


def _tags(words: list[str], labels: tuple[str, ...], rows: list[tuple[int, int, int, int, float]]) -> list[str]:
    """The tag of each word's first piece; "O" for words that were cut off or give no token."""
    tags = ["O"] * len(words)
    at = 0
    begin = 0
    for index, word in enumerate(words):
        end = begin + len(word.encode())
        while at < len(rows) and rows[at][1] < begin:
            at += 1
        if at < len(rows) and rows[at][1] < end:
            tags[index] = labels[rows[at][3]]
        begin = end + 1
    return tags
