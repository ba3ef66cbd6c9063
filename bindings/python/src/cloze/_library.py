"""Finds and loads ``libcloze.so``, and turns its statuses into exceptions."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Callable, Optional

from . import _abi
from ._errors import Error, error

_PACKAGE = Path(__file__).resolve().parent
#: What the library inside the package needs.
_GLIBC = (2, 28)
#: Names of processors by the number that a library has for them in its header.
_MACHINES = {62: "x86_64", 183: "aarch64"}
#: Names for the dynamic loader: the soname, and the development link.
_SYSTEM_NAMES = ("libcloze.so.0", "libcloze.so")


def _candidates() -> Iterator[tuple[str, str]]:
    """Candidates for the library in order of preference, as (name for dlopen, description for messages)."""
    chosen = os.environ.get("CLOZE_LIBRARY")
    if chosen:
        # A file that is named explicitly is the only candidate: falling back to another would hide a mistake.
        yield chosen, f"{chosen} (environment variable CLOZE_LIBRARY)"
        return
    bundled = _PACKAGE / "lib" / "libcloze.so"
    yield str(bundled), f"{bundled} (inside the package)"
    # In a checkout, .../bindings/python/src/cloze: the library of `make` or `swift build`, the newer of the two.
    for root in list(_PACKAGE.parents)[3:4]:
        if (root / "include" / "cloze.h").is_file():
            built = [root / ".build" / "dist" / "lib" / "libcloze.so", root / ".build" / "release" / "libcloze.so"]
            for file in sorted(built, key=lambda file: -file.stat().st_mtime if file.exists() else 0):
                yield str(file), f"{file} (the build tree)"
    for name in _SYSTEM_NAMES:
        yield name, f"{name} (the system's loader)"


def _load() -> tuple[ctypes.CDLL, str]:
    """Loads the first candidate that works. ImportError lists each one and why it failed."""
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
    reason = _misfit(_PACKAGE / "lib" / "libcloze.so")
    if reason:
        raise ImportError(f"{reason}; tried:{places}")
    raise ImportError(
        f"libcloze.so was not found; tried:{places}\n"
        "Install a wheel of cloze, which has it inside, or the library itself (`make install`, Debian's libcloze0); "
        "or set CLOZE_LIBRARY to its path."
    )


def _misfit(file: Path) -> str:
    """Why a library inside the package is not for this system, and what would help; "" if it is, or there is none."""
    try:
        with open(file, "rb") as library:
            header = library.read(20)
    except OSError:
        return ""
    machine = _MACHINES.get(int.from_bytes(header[18:20], "little"), "another processor")
    here = platform.machine()
    has = ""
    if sys.platform != "linux":
        has = f"is {sys.platform}"
    elif here != machine and {here, machine} != {"x86_64", "AMD64"}:
        has = f"is {here}"
    else:
        try:
            glibc = (os.confstr("CS_GNU_LIBC_VERSION") or "").split()[1]
        except (ValueError, OSError, IndexError):
            has = "has another C library, such as musl"
        else:
            if tuple(int(part) for part in glibc.split(".")[:2]) < _GLIBC:
                has = f"has glibc {glibc}"
    if not has:
        return ""
    needs = f"Linux on {machine} with glibc {_GLIBC[0]}.{_GLIBC[1]} or later"
    return (
        f"the libcloze.so of this package needs {needs}, such as Debian 10, Ubuntu 18.10 or RHEL 8; this system {has}. "
        "What would help: a newer system or container, or a libcloze.so built for this one (CLOZE_LIBRARY names it)"
    )


lib, path = _load()
version: str = lib.cloze_version().decode()

#: A function that frees a handle.
Free = Callable[[Optional[int]], None]


def failure(status: int) -> Error:
    """The exception for a status just returned by a call on this thread."""
    word = lib.cloze_status_name(status).decode()
    message = lib.cloze_last_error().decode("utf-8", "replace")
    return error(word, message or word)


def check(status: int) -> None:
    """Raises the exception for a status other than ``CLOZE_OK``."""
    if status != _abi.OK:
        raise failure(status)


class Handle:
    """Owns a handle of the library and frees it with the last reference. ctypes accepts it as a pointer.

    At interpreter exit nothing is freed: a daemon thread may still be inside a call.
    """

    __slots__ = ("_as_parameter_", "__weakref__")

    def __init__(self, pointer: ctypes.c_void_p, free: Free) -> None:
        self._as_parameter_ = pointer
        weakref.finalize(self, free, pointer.value).atexit = False


def receive(call: Callable[[object], int], free: Free) -> Handle:
    """The handle that ``call`` creates, given the address to write it to."""
    pointer = ctypes.c_void_p()
    check(call(ctypes.byref(pointer)))
    return Handle(pointer, free)


def receive_text(call: Callable[[object, int, object], int], capacity: int = 1 << 8) -> str:
    """The string that ``call(buffer, capacity, size)`` writes; called again if ``capacity`` bytes are too few."""
    size = ctypes.c_size_t()
    while True:
        text = ctypes.create_string_buffer(capacity)
        status = call(text, capacity, ctypes.byref(size))
        if status != _abi.BUFFER_TOO_SMALL or size.value < capacity:
            break
        capacity = size.value + 1
    check(status)
    return text.raw[: size.value].decode()
