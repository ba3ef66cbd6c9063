"""Training heads."""

from __future__ import annotations

import ctypes
import json
import operator
import os
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Optional, Union

import numpy as np

from . import _abi
from ._arrays import address
from ._calls import interruptible
from ._errors import error, invalid
from ._evaluation import Evaluation, Mistake, Score
from ._library import Handle, check, failure, lib, receive, receive_text
from ._load import load
from ._model import Model
from ._sources import file_name
from ._texts import utf8

TASKS = ("classify", "classify-pairs", "multilabel", "regress", "regress-pairs", "tag", "answer", "mlm", "nsp")
FORMAT = ("text", "pair", "label", "separator", "quotes", "header", "format", "skip_bad")


@dataclass(frozen=True)
class TrainingResult:
    """A trained head on its model."""

    #: On the validation set, of the best epoch's weights.
    metrics: dict[str, float]
    #: The base model with the trained head, for ``model.predict``.
    model: Model
    #: What the examples and the result gave reason to say, in sentences; each was also a warning.
    remarks: tuple[str, ...]
    #: All that is known of the head on the validation set.
    evaluation: Evaluation = field(repr=False)
    _trainer: Handle = field(repr=False)

    @property
    def baseline(self) -> Optional[float]:
        """What a prediction that reads no text achieves: see ``evaluation.baseline_is``."""
        return self.evaluation.baseline

    @property
    def classes(self) -> dict[str, Score]:
        """Precision, recall, F1 and support of each label."""
        return self.evaluation.classes

    @property
    def entities(self) -> dict[str, Score]:
        """The same of each type of entity."""
        return self.evaluation.entities

    @property
    def confusion(self) -> Optional[np.ndarray]:
        """(C, C) int64: true by predicted label, in the order of ``model.info.labels``."""
        return self.evaluation.confusion

    @property
    def most_wrong(self) -> tuple[Mistake, ...]:
        """The wrong predictions with the largest loss, largest first."""
        return self.evaluation.most_wrong

    def report(self, path: Union[str, os.PathLike[str]]) -> None:
        """Writes a page of HTML: curves of the training, metrics, confusion, and the predictions that are most wrong."""
        check(lib.cloze_trainer_report(self._trainer, file_name("path", path)))

    def save(self, path: Union[str, os.PathLike[str]]) -> None:
        """Writes the head to a file, or to head.safetensors in an existing folder; load it with ``cloze.load(...,
        head=path)``."""
        target = Path(path)
        if target.is_dir():
            target = target / "head.safetensors"
        check(lib.cloze_trainer_save(self._trainer, file_name("path", target)))


def train(
    task: str,
    train: Union[str, os.PathLike[str], Iterable[Any]],
    valid: Union[str, os.PathLike[str], Iterable[Any], None] = None,
    *,
    base: Union[Model, str, os.PathLike[str], None] = None,
    seed: int = 0,
    output: Union[str, os.PathLike[str], None] = None,
    progress: bool = False,
    **options: Any,
) -> TrainingResult:
    """Trains a head for a task on a model. Equal data, options and seed give bit-identical results.

    task      ``"classify"``, ``"classify-pairs"``, ``"multilabel"``, ``"regress"``, ``"regress-pairs"``, ``"tag"``,
              ``"answer"``, ``"mlm"``, ``"nsp"``
    train     a file, or a list of (text, label), ((a, b), label), (text, [labels]), (text, number), (words, tags),
              {"question", "context", "answers"} as in SQuAD, texts, or documents (lists of sentences)
    valid     the validation set, in the same form; None: a stratified tenth of ``train`` is held out
    base      a Model, or a path as for ``load``; None: the built-in model
    output    folder for what ``cloze train`` writes: head.safetensors, metrics.json, steps.jsonl, report.html, and a
              checkpoint per epoch, from which ``resume=True`` continues; a head or checkpoint of an earlier training is
              replaced only with ``overwrite=True``
    progress  reports progress on standard error
    options   those of ``cloze train`` with _ for -: epochs, batch_size, learning_rate, hidden, optimizer, ...; for
              files also text, pair, label, separator, quotes, header, format, skip_bad

    Labels of a list may be strings, numbers or bools: the trained model predicts the values that were given, and a head
    that is loaded from a file their texts, ``"1"`` or ``"True"``, as do ``info.labels`` and evaluations. A label that
    was given as two types, 1 and ``"1"``, is its text.

    Ctrl-C ends training. Warns of labels that look wrong, and of what reading a file took for granted. Raises Error:
    ``invalid_text``, naming the invalid example; ``invalid_argument``.
    """
    if task not in TASKS:
        raise invalid(f"task is {task!r}; known are {', '.join(map(repr, TASKS))}")
    model = base if isinstance(base, Model) else load(base)
    form = {name: options.pop(name) for name in FORMAT if name in options}
    if output is not None:
        Path(output).mkdir(parents=True, exist_ok=True)
        options["output"] = os.fspath(output)
    options.setdefault("threads", model.info.threads)
    try:
        settings = json.dumps({"seed": seed, **options}, allow_nan=False).encode()
        form_text = json.dumps(form).encode() if form else None
    except (TypeError, ValueError) as failure:
        raise invalid(f"options: {failure}") from None
    trainer = receive(
        lambda out: int(lib.cloze_trainer_create(model._handle, task.encode(), settings, out)), lib.cloze_trainer_free)
    values: dict[str, Any] = {}
    for number, source in ((_abi.SET_TRAIN, train), (_abi.SET_VALID, valid)):
        if source is None:
            continue
        if isinstance(source, (str, os.PathLike)):
            name = file_name("train" if number == _abi.SET_TRAIN else "valid", source)
            check(lib.cloze_trainer_add_file(trainer, number, name, form_text))
            continue
        what = "train" if number == _abi.SET_TRAIN else "valid"
        if not isinstance(source, Iterable) or isinstance(source, (bytes, Mapping)):
            raise TypeError(f"{what} is {type(source).__name__}; a path or a list of examples is needed")
        for index, example in enumerate(source):
            add_example(
                lambda struct: int(lib.cloze_trainer_add(trainer, number, struct)), task, example, f"{what}[{index}]",
                values)

    remarks = tuple(json.loads(receive_text(
        lambda text, capacity, size: lib.cloze_trainer_remarks(trainer, text, capacity, size))))
    for remark in remarks:
        warnings.warn(remark, stacklevel=2)

    run_trainer(trainer, _show if progress else None)
    trained = Model.__new__(Model)
    trained._adopt(
        receive(lambda out: int(lib.cloze_trainer_model(trainer, out)), lib.cloze_model_free), model.info.threads,
        f"{model._name} with a head for {task}")
    evaluation = Evaluation._read(receive_text(
        lambda text, capacity, size: int(lib.cloze_trainer_evaluation(trainer, text, capacity, size)), 1 << 14),
        trainer, lib.cloze_trainer_report)
    for remark in evaluation.remarks:
        warnings.warn(remark, stacklevel=2)
    if not isinstance(train, (str, os.PathLike)):
        trained._label_values = values
    return TrainingResult(evaluation.metrics, trained, remarks + evaluation.remarks, evaluation, trainer)


def run_trainer(trainer: Handle, show: Optional[Callable[[_abi.TrainingProgress], None]]) -> None:
    """Runs a trainer to its end, or until Ctrl-C; ``show`` reports progress on standard error."""
    stop: list[bool] = []

    def report(context: object, pointer: Any) -> int:
        if show is not None:
            show(pointer.contents)
        return 1 if stop else 0

    callback = _abi.TRAINING_CALLBACK(report)

    def work(kept: object = (trainer, callback)) -> None:
        check(lib.cloze_trainer_run(trainer, ctypes.cast(callback, ctypes.c_void_p), None))

    try:
        interruptible(work, lambda: stop.append(True))
    finally:
        if show is not None:
            print(file=sys.stderr)


def _show(state: _abi.TrainingProgress) -> None:
    if state.ended:
        print(f"\repoch {state.epoch}  loss {state.loss:.4f}  metric {state.metric:.4f}", file=sys.stderr)
    elif state.epoch == 0:
        print(f"\r{state.done} of {state.total} texts encoded", end="", file=sys.stderr, flush=True)
    elif state.done % 50 == 0:
        print(f"\rstep {state.done} of {state.total}  loss {state.loss:.4f}  ", end="", file=sys.stderr, flush=True)


def _strings(values: Sequence[str], name: str) -> tuple[Any, list[bytes]]:
    """A C array of pointers to strings, and the bytes objects that own them."""
    texts = []
    for index, value in enumerate(values):
        if not isinstance(value, str):
            raise TypeError(f"{name}[{index}] is {type(value).__name__}; a str is needed")
        texts.append(_text(value, f"{name}[{index}]"))
    return (ctypes.c_char_p * max(len(texts), 1))(*texts), texts


def _text(value: object, name: str) -> bytes:
    if not isinstance(value, str):
        raise TypeError(f"{name} is {type(value).__name__}; a str is needed")
    data = utf8(value, name)
    if b"\0" in data:
        raise invalid(f"{name} holds a NUL character")
    return data


def _label(value: Any, name: str, values: Optional[dict[str, Any]]) -> str:
    """A class, label or tag as text, whose value goes to ``values``; what stands for a missing one is refused."""
    is_number = isinstance(value, (bool, int, float, np.bool_, np.integer, np.floating)) and value == value
    if isinstance(value, str) or is_number:
        text = str(value)
        if values is not None:
            same = type(values.setdefault(text, value)) is type(value)
            values[text] = values[text] if same else text
        return text
    raise invalid(f"{name}: the label is {value!r}; a str or a number is needed")


def _answers(example: Mapping[str, Any], name: str) -> tuple[list[str], list[int]]:
    """Texts and starts of the answers to a question, in SQuAD's form or in that of Hugging Face's data sets."""
    if example.get("is_impossible"):
        return [], []
    answers = example.get("answers")
    if answers is None:
        raise invalid(f"{name} has no answers; an empty list says that the passage has none")
    try:
        if isinstance(answers, Mapping):
            texts, starts = list(answers["text"]), list(answers["answer_start"])
        else:
            texts, starts = [one["text"] for one in answers], [one["answer_start"] for one in answers]
        starts = [operator.index(start) for start in starts]
    except (KeyError, TypeError) as failure:
        raise invalid(f"{name}: answers need text and answer_start: {failure}") from None
    if len(texts) != len(starts):
        raise invalid(f"{name}: answers have {len(texts)} texts and {len(starts)} answer_start")
    return texts, starts


def _check_answer(passage: str, text: object, start: int, name: str) -> None:
    """Refuses an answer that does not begin at character ``start`` of the passage."""
    if not isinstance(text, str) or not text:
        raise invalid(f"{name}: the answer is {text!r}; a part of the context is needed")
    if start >= 0 and passage.startswith(text, start):
        return
    units = passage.encode("utf-16-le", "surrogatepass")[:2 * max(start, 0)].decode("utf-16-le", "ignore")
    if passage.startswith(text, len(units)):
        advice = f"it counts UTF-16 units; characters are code points, of which it is number {len(units)}"
    elif text in passage:
        advice = f"it begins at character {passage.index(text)}"
    else:
        advice = "the context does not contain it"
    raise error("invalid_text", f"{name}: the answer {text!r} does not begin at character {start}: {advice}")


def _input(given: object, name: str) -> tuple[bytes, Optional[bytes]]:
    """A text, or the two of a pair."""
    if isinstance(given, str):
        return _text(given, name), None
    if isinstance(given, np.ndarray):
        given = given.tolist()
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        found = f"{type(given).__name__} of {len(given)}" if isinstance(given, (tuple, list)) else type(given).__name__
        raise TypeError(f"{name}: the text is {found}; a str, or a pair (a, b), is needed")
    return _text(given[0], f"{name}: the first text"), _text(given[1], f"{name}: the second text")


def add_example(
    add: Callable[[object], int], task: str, example: Any, name: str, values: Optional[dict[str, Any]] = None
) -> None:
    """Passes a pointer to an example's struct to ``add``; ``name`` is what messages call it, such as "train[3]".

    values  takes what was given as labels, by their texts
    """
    struct = _abi.Example()
    labels: Sequence[str] = ()
    words: Sequence[str] = ()
    offsets: Optional[np.ndarray] = None
    if task == "answer":
        if not isinstance(example, Mapping):
            raise TypeError(f"{name} is {type(example).__name__}; a dict with question, context and answers is needed")
        for key in ("question", "context"):
            if key not in example:
                raise invalid(f"{name} has no {key!r}; it has {', '.join(map(repr, example)) or 'nothing'}")
        passage = example["context"]
        struct.text = _text(example["question"], f"{name}: question")
        struct.pair = _text(passage, f"{name}: context")
        labels, starts = _answers(example, name)
        for text, start in zip(labels, starts):
            _check_answer(passage, text, start, name)
        offsets = np.array([len(passage[:start].encode()) for start in starts] or [0], np.int64)
    elif task in ("mlm", "nsp"):
        if isinstance(example, str):
            struct.text = _text(example, name)
        elif isinstance(example, Iterable) and not isinstance(example, (bytes, Mapping)):
            words = list(example)
        else:
            raise TypeError(f"{name} is {type(example).__name__}; a str, or a list of sentences, is needed")
    else:
        if not isinstance(example, (tuple, list)) or len(example) != 2:
            kind = type(example).__name__
            found = f"{kind} of {len(example)}" if isinstance(example, (tuple, list)) else kind
            raise TypeError(f"{name} is {found}; a pair (input, label) is needed")
        given, label = example
        if task == "tag":
            if not all(isinstance(part, Iterable) and not isinstance(part, (str, Mapping)) for part in example):
                raise TypeError(f"{name} is ({type(given).__name__}, {type(label).__name__}); lists of words and tags "
                                "are needed")
            words, labels = list(given), [_label(one, name, values) for one in label]
        else:
            struct.text, struct.pair = _input(given, name)
            if struct.pair is None and task.endswith("-pairs"):
                raise invalid(f"{name}: the text is str; a pair (a, b) is needed")
            if task in ("regress", "regress-pairs"):
                try:
                    struct.value = float(label)
                except (TypeError, ValueError):
                    raise invalid(f"{name}: the label is {label!r}; a number is needed") from None
            elif task == "multilabel":
                if not isinstance(label, Iterable):
                    raise invalid(f"{name}: the label is {label!r}; a list of labels is needed")
                labels = [_label(one, name, values) for one in ([label] if isinstance(label, str) else label)]
            else:
                labels = [_label(label, name, values)]
    label_array, kept_labels = _strings(labels, f"{name}: label")
    word_array, kept_words = _strings(words, f"{name}: word")
    struct.labels, struct.label_count = ctypes.addressof(label_array), len(kept_labels)
    struct.words, struct.word_count = ctypes.addressof(word_array), len(kept_words)
    struct.offsets = address(offsets)
    status = add(ctypes.byref(struct))
    if status != _abi.OK:
        refused = failure(status)
        raise error(refused.status, f"{name}: {refused.message}")
