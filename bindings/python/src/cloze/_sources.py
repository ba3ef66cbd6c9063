"""Sources of models and vocabularies: a path, or the content of a file."""

from __future__ import annotations

import os
from typing import Union

import numpy as np

from ._errors import invalid

#: A path, or the content of a file.
Source = Union[str, "os.PathLike[str]", bytes, bytearray, memoryview]


def is_content(source: object) -> bool:
    """Whether the source is a file's content rather than its path."""
    return isinstance(source, (bytes, bytearray, memoryview))


def file_name(name: str, path: object) -> bytes:
    """The path in the file system's encoding. TypeError: not a path. ArgumentError: a NUL character in it."""
    if is_content(path):
        raise TypeError(f"{name} is {type(path).__name__}; a path (str or os.PathLike) is needed")
    try:
        encoded = os.fsencode(os.fspath(path))  # type: ignore[call-overload]
    except TypeError:
        raise TypeError(f"{name} is {type(path).__name__}; a path (str or os.PathLike) is needed") from None
    except UnicodeEncodeError:
        raise invalid(f"{name} is {path!r}, which the file system's encoding cannot represent") from None
    if b"\0" in encoded:
        raise invalid(f"{name} is {path!r}; a path cannot hold a NUL character")
    return encoded


def content(source: Union[bytes, bytearray, memoryview]) -> np.ndarray:
    """The bytes as a uint8 array (N,) that shares their memory and keeps the source alive."""
    view = memoryview(source)
    if not view.c_contiguous:
        raise invalid("the memoryview is not C-contiguous")
    return np.frombuffer(view, np.uint8) if view.nbytes else np.empty(0, np.uint8)
