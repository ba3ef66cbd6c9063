"""Describing model files."""

from __future__ import annotations

import json
import os
from typing import Any, Optional, Union

from ._calls import interruptible
from ._library import lib, receive_text
from ._sources import file_name


def inspect(path: Union[str, os.PathLike[str], None] = None) -> dict[str, Any]:
    """Describes a model file without packing its weights: architecture, configuration, heads, how each block is
    expressed in the graph, weight types, opset, producer, memory, tokenizer.

    path  as for ``load``; None: the built-in model

    A valid ONNX file that is not a BERT gives an entry ``"refused"``: a dict with ``node``, ``place``, ``expected`` and
    ``message``.

    Raises Error: ``not_found``, ``io``, ``invalid_model``.
    """
    name = None if path is None else file_name("path", path)

    def work() -> str:
        # Reading the file again for a longer text takes far longer than these 64 KiB.
        return receive_text(lambda text, capacity, size: lib.cloze_inspect(name, text, capacity, size), 1 << 16)

    found = json.loads(interruptible(work))
    assert isinstance(found, dict)
    return found
