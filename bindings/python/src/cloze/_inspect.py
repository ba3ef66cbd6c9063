"""What a model file holds."""

from __future__ import annotations

import ctypes
import json
import os
from typing import Any, Optional, Union

from . import _abi
from ._calls import interruptible
from ._library import check, lib
from ._sources import file_name


def inspect(path: Union[str, os.PathLike[str], None] = None) -> dict[str, Any]:
    """Says what was recognised in a model file, without preparing it for use: architecture, configuration, heads, how
    each block was written, weight types, opset, producer, memory, tokenizer.

    A sound ONNX file that is no BERT gives a ``"refused"`` entry: a dict with ``node``, ``place``, ``expected`` and
    ``message``. None: the built-in model.

    Raises Error: ``not_found``, ``io``, ``invalid_model``.
    """
    name = None if path is None else file_name("path", path)

    def work() -> bytes:
        size = ctypes.c_size_t()
        capacity = 1 << 16
        while True:
            text = ctypes.create_string_buffer(capacity)
            status = lib.cloze_inspect(name, text, capacity, ctypes.byref(size))
            if status != _abi.BUFFER_TOO_SMALL or size.value < capacity:
                break
            capacity = size.value + 1
        check(status)
        return text.raw[: size.value]

    found = json.loads(interruptible(work))
    assert isinstance(found, dict)
    return found
