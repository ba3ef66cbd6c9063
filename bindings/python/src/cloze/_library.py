"""Finds ``libcloze.so``, loads it once, and turns its statuses into exceptions."""

from __future__ import annotations

import ctypes
import os
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Callable, Optional

from . import _abi
from ._errors import Error, error

_PACKAGE = Path(__file__).resolve().parent
#: Names for the system's loader: with and without the version that ``make install`` gives the file.
_SYSTEM_NAMES = ("libcloze.so.0", "libcloze.so")


def _candidates() -> Iterator[tuple[str, str]]:
    """Where the library may be, best first, as (what dlopen takes, what to call it in a message)."""
    chosen = os.environ.get("CLOZE_LIBRARY")
    if chosen:
        # Who names a file means that file: an older copy elsewhere would only hide the mistake.
        yield chosen, f"{chosen} (environment variable CLOZE_LIBRARY)"
        return
    bundled = _PACKAGE / "lib" / "libcloze.so"
    yield str(bundled), f"{bundled} (inside the package)"
    # .../bindings/python/src/cloze in a checkout: what `make` or `swift build` left there, the newer of the two.
    for root in list(_PACKAGE.parents)[3:4]:
        if (root / "include" / "cloze.h").is_file():
            built = [root / ".build" / "dist" / "lib" / "libcloze.so", root / ".build" / "release" / "libcloze.so"]
            for file in sorted(built, key=lambda file: -file.stat().st_mtime if file.exists() else 0):
                yield str(file), f"{file} (the build tree)"
    for name in _SYSTEM_NAMES:
        yield name, f"{name} (the system's loader)"


def _load() -> tuple[ctypes.CDLL, str]:
    """Loads the first library that is there; ImportError lists every place and what was wrong with it."""
    tried = []
    for name, description in _candidates():
        if os.path.isabs(name) and not os.path.exists(name):
            tried.append(f"{description}: no such file")
            continue
        try:
            library = ctypes.CDLL(name)
            _abi.declare(library)
        except OSError as failure:
            tried.append(f"{description}: {failure}")
        except AttributeError as failure:
            tried.append(f"{description}: {failure}; the library is older than this package")
        else:
            return library, name
    places = "".join(f"\n  {place}" for place in tried)
    raise ImportError(
        f"libcloze.so was not found; looked at:{places}\n"
        "Build it with `make`, install it with `make install`, or set CLOZE_LIBRARY to its path."
    )


lib, path = _load()
version: str = lib.cloze_version().decode()

#: Functions that take a handle and give it back to the library.
Free = Callable[[Optional[int]], None]


def failure(status: int) -> Error:
    """The exception for a status that a call on this very thread has just returned."""
    word = lib.cloze_status_name(status).decode()
    message = lib.cloze_last_error().decode("utf-8", "replace")
    return error(word, message or word)


def check(status: int) -> None:
    """Raises what ``failure`` makes of any status but ``CLOZE_OK``."""
    if status != _abi.OK:
        raise failure(status)


class Handle:
    """Owns one handle of the library and frees it with the last reference. ctypes takes it where a pointer goes.

    Nothing is freed when the interpreter ends: a daemon thread may still be inside a call, and the process's end
    returns everything anyway.
    """

    __slots__ = ("_as_parameter_", "__weakref__")

    def __init__(self, pointer: ctypes.c_void_p, free: Free) -> None:
        self._as_parameter_ = pointer
        weakref.finalize(self, free, pointer.value).atexit = False


def receive(call: Callable[[object], int], free: Free) -> Handle:
    """Runs ``call`` with the address that receives a new handle, and owns what it wrote there."""
    pointer = ctypes.c_void_p()
    check(call(ctypes.byref(pointer)))
    return Handle(pointer, free)
