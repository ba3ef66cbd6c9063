"""Models as ONNX files."""

from __future__ import annotations

import ctypes
import os
from typing import Optional, Union

from . import _abi
from ._calls import interruptible
from ._errors import invalid
from ._library import check, lib
from ._model import Model
from ._options import word
from ._sources import file_name

_FORMATS = {"float32": _abi.EXPORT_FLOAT32, "float16": _abi.EXPORT_FLOAT16, "int8": _abi.EXPORT_INT8}


def export(
    model: Union[Model, str, os.PathLike[str], None],
    dst: Union[str, os.PathLike[str]],
    *,
    format: str = "float32",
    head: Union[str, os.PathLike[str], None] = None,
) -> None:
    """Writes a model as a clean ONNX file: operator set 17, weights by Hugging Face's names, free batch and sequence
    length, an output for each head.

    model   a path, as load takes it, for the weights of its file; None: the built-in model; or a Model, with its trained
            head, for the weights that it holds, which int8 has rounded to 8 bits
    dst     where the file goes; it appears when it is complete, in place of one that was there
    format  how weights are held: ``"float32"``, ``"float16"`` (half the file, the same arithmetic), or ``"int8"`` (as Cloze
            computes: a scale for each output of a matrix, and for each token's activations)
    head    with a path: where a trained head is, that becomes part of the file

    Raises Error: as load does; ``io`` where dst cannot be written; ``unsupported_model`` where the file would be larger
    than ONNX allows, 2 GB.
    """
    target = file_name("dst", dst)
    options = _abi.ExportOptions(format=word("format", format, _FORMATS))
    if isinstance(model, Model):
        if head is not None:
            raise invalid("head goes with a path; a Model has the head that it was loaded with")

        def work(kept: object = model) -> None:
            check(lib.cloze_model_export(model._handle, target, ctypes.byref(options)))

    else:
        source = None if model is None else file_name("model", model)
        options.head = None if head is None else file_name("head", head)

        def work(kept: object = None) -> None:
            check(lib.cloze_export(source, target, ctypes.byref(options)))

    interruptible(work)
