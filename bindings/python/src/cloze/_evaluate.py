"""Judging a model's head by labelled examples."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Optional

from ._errors import invalid
from ._evaluation import Evaluation
from ._library import check, lib, receive, receive_text
from ._sessions import Progress
from ._sources import file_name
from ._train import FORMAT, TASKS, add_example

if TYPE_CHECKING:
    from ._model import Model

#: More than any call that is made without a thread: an evaluation can be interrupted.
_LONG = 1 << 62


def evaluate(
    model: Model, data: Any, task: Optional[str], progress: Optional[Progress], form: dict[str, Any]
) -> Evaluation:
    """The implementation of ``Model.evaluate``."""
    if task is not None and task not in TASKS:
        raise invalid(f"task is {task!r}; known are {', '.join(map(repr, TASKS))}")
    for key in form:
        if key not in FORMAT:
            raise TypeError(f"evaluate() got an unexpected keyword argument {key!r}; a format has {', '.join(FORMAT)}")
    if progress is not None and not callable(progress):
        raise TypeError(f"progress is {type(progress).__name__}; a function of two numbers is needed")
    evaluation = receive(
        lambda out: int(lib.cloze_evaluation_create(model._handle, None if task is None else task.encode(), out)),
        lib.cloze_evaluation_free)
    if isinstance(data, (str, os.PathLike)):
        try:
            text = json.dumps(form).encode() if form else None
        except (TypeError, ValueError) as failure:
            raise invalid(f"format: {failure}") from None
        check(lib.cloze_evaluation_add_file(evaluation, file_name("data", data), text))
    elif not isinstance(data, Iterable) or isinstance(data, bytes):
        raise TypeError(f"data is {type(data).__name__}; a path or a list of examples is needed")
    elif form:
        raise TypeError(f"{next(iter(form))!r} is for a file, and data is {type(data).__name__}")
    else:
        # Without a task of its own the model has a trained masked language model.
        kind = task or model.info.task or "mlm"
        for index, example in enumerate(data):
            add_example(
                lambda struct: int(lib.cloze_evaluation_add(evaluation, struct)), kind, example, f"data[{index}]")
    model._sessions.run(
        lambda session: int(lib.cloze_evaluation_run(evaluation, session)), _LONG, evaluation, progress)
    result = Evaluation._read(
        receive_text(
            lambda out, capacity, size: int(lib.cloze_evaluation_result(evaluation, out, capacity, size)), 1 << 14),
        evaluation, lib.cloze_evaluation_report)
    for remark in result.remarks:
        warnings.warn(remark, stacklevel=3)
    return result
