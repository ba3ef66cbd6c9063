"""Pre-training."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Union

from . import _abi
from ._errors import invalid
from ._library import check, lib, receive, receive_text
from ._load import load
from ._model import Model
from ._sources import file_name
from ._train import run_trainer

_Files = Union[str, os.PathLike[str], Iterable[Union[str, os.PathLike[str]]]]


@dataclass(frozen=True)
class PretrainingResult:
    """A pre-trained model. It is in its folder, for ``cloze.load`` and for transformers."""

    #: ``mlm_loss``, ``mlm_perplexity``, ``mlm_accuracy``, ``nsp_loss``, ``nsp_accuracy`` on held-out text, and
    #: ``tokens_per_second``.
    metrics: dict[str, float]
    #: The folder.
    output: str
    #: Of the matrix products in training: ``"float32"`` or ``"bfloat16"``. The model is float32.
    precision: str
    #: Steps of the optimizer, and tokens that they saw.
    steps: int
    tokens: int
    #: What a user should know of the corpus, in sentences; each was also a warning.
    remarks: tuple[str, ...]

    @property
    def model(self) -> Model:
        """The model, loaded from its folder."""
        return load(self.output)


def pretrain(
    data: _Files,
    output: Union[str, os.PathLike[str]],
    *,
    valid: Optional[_Files] = None,
    base: Union[Model, str, os.PathLike[str], None] = None,
    progress: bool = False,
    **options: Any,
) -> PretrainingResult:
    """Trains a BERT on raw text. Equal files, options and seed give bit-identical results, unless ``minutes`` are given.

    data      path of a file, or several: a sentence a line, an empty line between documents
    output    folder that becomes the model: config.json, model.safetensors and the tokenizer; and beside them
              metrics.json, steps.jsonl, report.html and a checkpoint, from which ``resume=True`` goes on
    valid     files to validate on; None: a hundredth of the documents is held out
    base      a model to go on from: a Model in float32, a path, or ``"built-in"``; None: a new model
    progress  reports progress on standard error
    options   those of ``cloze pretrain`` with _ for -: steps, epochs or minutes; vocab_size or tokenizer; layers,
              hidden, heads, intermediate, positions; batch_size, max_tokens, learning_rate, warmup, weight_decay,
              objective, whole_words, precision ("float32" or "bfloat16"), seed, threads, resume, overwrite, ...

    Ctrl-C ends training after a checkpoint. Raises Error: ``invalid_text``, with file and line, and for a corpus that
    is too small; ``invalid_argument``; ``io``.
    """
    model = base if isinstance(base, Model) or base is None else load(
        None if base == "built-in" else base, precision="float32", threads=options.get("threads"))
    Path(output).parent.mkdir(parents=True, exist_ok=True)
    try:
        settings = json.dumps({**options, "output": os.fspath(output)}, allow_nan=False).encode()
    except (TypeError, ValueError) as failure:
        raise invalid(f"options: {failure}") from None
    trainer = receive(
        lambda out: int(lib.cloze_trainer_create(
            None if model is None else model._handle, b"pretrain", settings, out)), lib.cloze_trainer_free)
    for number, name, files in ((_abi.SET_TRAIN, "data", data), (_abi.SET_VALID, "valid", valid)):
        if files is None:
            continue
        paths = [files] if isinstance(files, (str, os.PathLike)) else list(files)
        for index, path in enumerate(paths):
            check(lib.cloze_trainer_add_file(trainer, number, file_name(f"{name}[{index}]", path), None))
    run_trainer(trainer, _show if progress else None)
    found = json.loads(receive_text(
        lambda text, capacity, size: int(lib.cloze_trainer_metrics(trainer, text, capacity, size))))
    for remark in found["remarks"]:
        warnings.warn(remark, stacklevel=2)
    metrics = {name: value for name, value in found.items()
               if name.startswith(("mlm_", "nsp_")) or name == "tokens_per_second"}
    return PretrainingResult(
        metrics, str(Path(output)), found["precision"], found["steps"], found["tokens"], tuple(found["remarks"]))


def _show(state: _abi.TrainingProgress) -> None:
    if state.epoch == 0:
        text = f"{state.done >> 20} of {state.total >> 20} MB tokenized"
    elif state.ended:
        text = f"step {state.done}  held out: loss {state.loss:.4f}  accuracy {state.metric:.4f}\n"
    elif state.done % 10 == 0:
        text = f"step {state.done} of {state.total}  loss {state.loss:.4f}  "
    else:
        return
    print(f"\r{text}", end="", file=sys.stderr, flush=True)
