"""Predictions of heads, trained or of a model's file."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Optional, Union

import numpy as np

from ._arrays import address, growing
from ._errors import error
from ._library import check, lib
from ._texts import TextList, pack, positions_of, split, utf8

if TYPE_CHECKING:
    from ._model import Model

_PREDICTIONS = np.dtype(
    [("text", np.int64), ("begin", np.int64), ("end", np.int64), ("label", np.int32), ("score", np.float32)],
    align=True)

_ENTITIES = np.dtype([("begin", np.int64), ("end", np.int64), ("type_begin", np.int64)])


class Span(NamedTuple):
    """The characters [begin, end) of a text."""

    begin: int
    end: int


class Tag(NamedTuple):
    """A word's tag, with its place in the text."""

    #: Its characters [begin, end).
    begin: int
    end: int
    tag: Any
    probability: float


class Entity(NamedTuple):
    """Words that their tags mark as one entity."""

    #: Characters [begin, end) of the text; for a list of words, the indices of its words.
    begin: int
    end: int
    #: What its tags name, without their marks: ``"PER"``.
    type: str
    #: Its characters; of a list of words, these with spaces between them.
    text: str
    #: The lowest of its words'.
    probability: float


@dataclass(frozen=True)
class Prediction:
    """A head's prediction for one input; fields that do not apply to its task are None or empty."""

    #: classify: the most probable class; of labels that ``cloze.train`` took from a list, the value given there, as in
    #: ``labels`` and ``tags``.
    label: Any = None
    #: classify, multilabel, and a number that is a sigmoid: of each of ``info.labels``; answer: of the answer.
    probabilities: tuple[float, ...] = ()
    #: multilabel: labels with a probability of at least 0.5.
    labels: tuple[Any, ...] = ()
    #: regress: the predicted number, the first where a model's file brings several.
    value: Optional[float] = None
    #: regress: all numbers, in the order of ``info.labels``.
    values: tuple[float, ...] = ()
    #: tag: the tag of each word of a list of words; for a text (begin, end, tag, probability) of each word in it.
    tags: Union[tuple[Any, ...], tuple[Tag, ...]] = ()
    #: tag: the entities that the tags mark.
    entities: tuple[Entity, ...] = ()
    #: answer: the answer; "" if the passage has none.
    answer: Optional[str] = None
    #: answer: its characters [begin, end) in the passage; None if there is none.
    span: Optional[Span] = None
    #: Whether the input was truncated.
    truncated: bool = False


def predict(model: Model, inputs: Iterable[Any]) -> list[Prediction]:
    """The implementation of ``Model.predict``."""
    if isinstance(inputs, (str, bytes)) or not isinstance(inputs, Iterable):
        raise TypeError(f"inputs is {type(inputs).__name__}; pass a list of texts, [text] for a single one")
    given = list(inputs)
    task = model.info.task or ""
    words: list[Optional[list[str]]] = [None] * len(given)
    texts: list[Any] = list(given)
    if task == "tag":
        for index, item in enumerate(given):
            if isinstance(item, (list, tuple)):
                if not all(isinstance(word, str) for word in item):
                    raise TypeError(f"inputs[{index}] is not a list of str")
                words[index] = list(item)
                texts[index] = " ".join(item)
    packed = pack(texts, "inputs")
    truncated = np.zeros(packed.count, np.uint8)
    found = ctypes.c_size_t()

    def write(rows: np.ndarray) -> None:
        model._sessions.run(
            lambda session: int(lib.cloze_predict(
                session, ctypes.byref(packed.struct), address(rows), rows.size, ctypes.byref(found),
                address(truncated))),
            packed.tokens * model._encoder_operations, (packed, rows, truncated, found))

    entries: list[list[tuple[int, int, int, int, float]]] = [[] for _ in given]
    if packed.count:
        # All labels of each text, or a tag per word, of which there are no more than tokens.
        capacity = packed.count * max(len(model.info.labels), 1) + packed.tokens
        for entry in growing(write, _PREDICTIONS, capacity, found).tolist():
            entries[entry[0]].append(entry)
    named = tuple(model._label_values.get(label, label) for label in model.info.labels)
    return [
        _prediction(task, model.info.labels, named, text, sentence, rows, bool(cut))
        for text, sentence, rows, cut in zip(texts, words, entries, truncated.tolist())]


def rerank(model: Model, query: str, documents: Iterable[str], top_k: int) -> list[tuple[int, float]]:
    """The implementation of ``Model.rerank``; ``top_k`` 0: all."""
    first = split(query, "query")
    if first[1] is not None:
        raise TypeError("query is a pair; a str is needed")
    if isinstance(documents, (str, bytes)) or not isinstance(documents, Iterable):
        raise TypeError(f"documents is {type(documents).__name__}; pass a list of str")
    pairs = []
    for index, document in enumerate(documents):
        if not isinstance(document, str):
            raise TypeError(f"documents[{index}] is {type(document).__name__}; a str is needed")
        pairs.append((first[0], utf8(document, f"documents[{index}]")))
    packed = TextList(pairs)
    rows = np.zeros(min(top_k or packed.count, packed.count), _PREDICTIONS)
    found = ctypes.c_size_t()
    model._sessions.run(
        lambda session: int(lib.cloze_rerank(
            session, ctypes.byref(packed.struct), top_k, address(rows), rows.size, ctypes.byref(found), None)),
        packed.tokens * model._encoder_operations, (packed, rows, found))
    return [(index, score) for index, _, _, _, score in rows[:found.value].tolist()]


def _prediction(
    task: str, labels: tuple[str, ...], named: tuple[Any, ...], text: Any, words: Optional[list[str]],
    rows: list[tuple[int, int, int, int, float]], cut: bool,
) -> Prediction:
    """Builds a Prediction from an input's ``cloze_prediction`` rows (text, begin, end, label, score).

    named  what the labels were given as
    """
    if task in ("regress", "regress-pairs"):
        values = tuple(row[4] for row in rows)
        if len(rows) == 1 and rows[0][3] == 0:
            return Prediction(
                value=values[0], values=values, label=labels[0], probabilities=values, truncated=cut)
        return Prediction(value=values[0], values=values, truncated=cut)
    if task == "answer":
        _, begin, end, label, score = rows[0]
        if label < 0:
            return Prediction(answer="", truncated=cut)
        passage = text[1]
        begin, end = _characters(passage, [begin, end])
        return Prediction(answer=passage[begin:end], span=Span(begin, end), probabilities=(score,), truncated=cut)
    if task == "tag":
        values = dict(zip(labels, named))
        if words is not None:
            tags, probabilities = _tags(words, labels, rows)
            return Prediction(
                tags=tuple(values.get(tag, tag) for tag in tags), truncated=cut, entities=tuple(
                    Entity(begin, end, kind, " ".join(words[begin:end]), min(probabilities[begin:end]))
                    for begin, end, kind in _entities(tags)))
        places = _characters(text, [place for row in rows for place in row[1:3]])
        found = [Tag(places[2 * i], places[2 * i + 1], labels[row[3]], row[4]) for i, row in enumerate(rows)]
        return Prediction(
            tags=tuple(one._replace(tag=values.get(one.tag, one.tag)) for one in found), truncated=cut, entities=tuple(
                Entity(
                    found[first].begin, found[end - 1].end, kind, text[found[first].begin:found[end - 1].end],
                    min(one.probability for one in found[first:end]))
                for first, end, kind in _entities([one.tag for one in found])))
    probabilities = [0.0] * len(labels)
    for row in rows:
        probabilities[row[3]] = row[4]
    if task == "multilabel":
        chosen = tuple(label for label, probability in zip(named, probabilities) if probability >= 0.5)
        return Prediction(labels=chosen, probabilities=tuple(probabilities), truncated=cut)
    if not rows:
        raise error("internal", "the library returned no label")
    return Prediction(label=named[rows[0][3]], probabilities=tuple(probabilities), truncated=cut)


def _characters(text: str, offsets: list[int]) -> list[int]:
    """Byte offsets in the text's UTF-8 as character offsets."""
    before = positions_of(text.encode())
    return offsets if before is None else before[np.array(offsets, np.int64)].tolist()


def _entities(tags: list[str]) -> list[tuple[int, int, str]]:
    """First word, one past the last, and type of each entity."""
    spelled = [tag.encode() for tag in tags]
    array = (ctypes.c_char_p * max(len(spelled), 1))(*spelled)
    rows = np.zeros(len(spelled), _ENTITIES)
    found = ctypes.c_size_t()
    check(lib.cloze_entities(array, len(spelled), address(rows), rows.size, ctypes.byref(found)))
    return [(first, end, spelled[first][at:].decode()) for first, end, at in rows[:found.value].tolist()]


def _tags(
    words: list[str], labels: tuple[str, ...], rows: list[tuple[int, int, int, int, float]]
) -> tuple[list[str], list[float]]:
    """The tag of each word's first token and its probability; "O" and 1 for words that have no token."""
    tags = ["O"] * len(words)
    probabilities = [1.0] * len(words)
    at = 0
    begin = 0
    for index, word in enumerate(words):
        end = begin + len(word.encode())
        while at < len(rows) and rows[at][1] < begin:
            at += 1
        if at < len(rows) and rows[at][1] < end:
            tags[index], probabilities[index] = labels[rows[at][3]], rows[at][4]
        begin = end + 1
    return tags, probabilities
