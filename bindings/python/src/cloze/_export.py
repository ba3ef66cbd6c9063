"""Writing models as ONNX files."""

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
    """Writes a model as a clean ONNX file: opset 17, Hugging Face's parameter names, dynamic batch and sequence axes,
    an output per head.

    model   a path as for ``load``, whose weights are taken from the file; None: the built-in model; or a Model, with
            its trained head and the weights in memory, which int8 has rounded to 8 bits
    dst     path of the file, replaced atomically once it is complete
    format  of the weights: ``"float32"``; ``"float16"``, half the size, arithmetic in float32; ``"int8"``, with a scale
            per output channel, and activations quantized in the graph with a scale per token
    head    path of a trained head to include; only if model is a path or None

    Raises Error: as ``load``; ``io`` if dst cannot be written; ``unsupported_model`` if the file would exceed ONNX's
    limit of 2 GB.
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
