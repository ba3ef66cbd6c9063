"""Training heads."""

from __future__ import annotations

import ctypes
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np

from . import _abi
from ._arrays import address
from ._calls import interruptible
from ._errors import error, invalid
from ._library import Handle, check, failure, lib, receive, receive_text
from ._load import load
from ._model import Model
from ._sources import file_name
from ._texts import utf8

_TASKS = ("classify", "classify-pairs", "multilabel", "regress", "regress-pairs", "tag", "answer", "mlm", "nsp")
_FORMAT = ("text", "pair", "label", "separator", "quotes", "header", "format", "skip_bad")


@dataclass(frozen=True)
class TrainingResult:
    """A trained head on its model."""

    #: On the validation set, of the best epoch's weights.
    metrics: dict[str, float]
    #: The base model with the trained head, for ``model.predict``.
    model: Model
    _trainer: Handle = field(repr=False)

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
    output    folder for head.safetensors and a checkpoint per epoch, from which ``resume=True`` continues
    progress  reports progress on standard error
    options   those of ``cloze train`` with _ for -: epochs, batch_size, learning_rate, hidden, optimizer, ...; for
              files also text, pair, label, separator, quotes, header, format, skip_bad

    Ctrl-C ends training. Raises Error: ``invalid_text``, naming the invalid example; ``invalid_argument``.
    """
    if task not in _TASKS:
        raise invalid(f"task is {task!r}; known are {', '.join(map(repr, _TASKS))}")
    model = base if isinstance(base, Model) else load(base)
    form = {name: options.pop(name) for name in _FORMAT if name in options}
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
    for number, source in ((_abi.SET_TRAIN, train), (_abi.SET_VALID, valid)):
        if source is None:
            continue
        if isinstance(source, (str, os.PathLike)):
            name = file_name("train" if number == _abi.SET_TRAIN else "valid", source)
            check(lib.cloze_trainer_add_file(trainer, number, name, form_text))
            continue
        what = "train" if number == _abi.SET_TRAIN else "valid"
        for index, example in enumerate(source):
            _add(trainer, number, task, example, f"{what}[{index}]")

    stop: list[bool] = []

    def report(context: object, pointer: Any) -> int:
        if progress:
            _show(pointer.contents)
        return 1 if stop else 0

    callback = _abi.TRAINING_CALLBACK(report)

    def work(kept: object = (trainer, callback)) -> None:
        check(lib.cloze_trainer_run(trainer, ctypes.cast(callback, ctypes.c_void_p), None))

    try:
        interruptible(work, lambda: stop.append(True))
    finally:
        if progress:
            print(file=sys.stderr)
    trained = Model.__new__(Model)
    trained._adopt(
        receive(lambda out: int(lib.cloze_trainer_model(trainer, out)), lib.cloze_model_free), model.info.threads,
        f"{model._name} with a head for {task}")
    result = TrainingResult(_metrics(trainer), trained, trainer)
    if output is not None:
        result.save(output)
    return result


def _metrics(trainer: Handle) -> dict[str, float]:
    return dict(json.loads(receive_text(
        lambda text, capacity, size: lib.cloze_trainer_metrics(trainer, text, capacity, size))))


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


def _add(trainer: Handle, number: int, task: str, example: Any, name: str) -> None:
    """Adds an example to set ``number``; ``name`` is what messages call it, such as "train[3]"."""
    struct = _abi.Example()
    labels: Sequence[str] = ()
    words: Sequence[str] = ()
    offsets: Optional[np.ndarray] = None
    if task == "answer":
        if not isinstance(example, Mapping):
            raise TypeError(f"{name} is {type(example).__name__}; a dict with question, context and answers is needed")
        passage = example["context"]
        struct.text, struct.pair = _text(example["question"], name), _text(passage, name)
        answers = example.get("answers") or {"text": [], "answer_start": []}
        if not isinstance(answers, Mapping):
            answers = {key: [answer[key] for answer in answers] for key in ("text", "answer_start")}
        labels = list(answers["text"])
        offsets = np.array([len(passage[:start].encode()) for start in answers["answer_start"]] or [0], np.int64)
    elif task in ("mlm", "nsp"):
        if isinstance(example, str):
            struct.text = _text(example, name)
        else:
            words = list(example)
    else:
        if not isinstance(example, (tuple, list)) or len(example) != 2:
            raise TypeError(f"{name} is not a pair (input, label)")
        given, label = example
        if task == "tag":
            words, labels = list(given), list(label)
        else:
            if isinstance(given, str):
                struct.text = _text(given, name)
            else:
                first, second = given
                struct.text, struct.pair = _text(first, name), _text(second, name)
            if task in ("regress", "regress-pairs"):
                struct.value = float(label)
            elif task == "multilabel":
                labels = [label] if isinstance(label, str) else list(label)
            else:
                labels = [label if isinstance(label, str) else str(label)]
    label_array, kept_labels = _strings(labels, f"{name}: label")
    word_array, kept_words = _strings(words, f"{name}: word")
    struct.labels, struct.label_count = ctypes.addressof(label_array), len(kept_labels)
    struct.words, struct.word_count = ctypes.addressof(word_array), len(kept_words)
    struct.offsets = address(offsets)
    status = lib.cloze_trainer_add(trainer, number, ctypes.byref(struct))
    if status != _abi.OK:
        refused = failure(status)
        raise error(refused.status, f"{name}: {refused.message}")
