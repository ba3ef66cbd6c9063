"""Exceptions of the package."""

from __future__ import annotations


class Error(Exception):
    """A failed call.

    ``status`` is a ``cloze_status`` of ``cloze.h`` in lower case: ``"not_found"``, ``"io"``, ``"invalid_model"``,
    ``"unsupported_model"``, ``"too_long"``, ``"no_head"``, ``"cancelled"`` and so on. ``str()`` is a sentence that
    names the cause.
    """

    def __init__(self, status: str, message: str) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message

    def __str__(self) -> str:
        return self.message


class ArgumentError(Error, ValueError):
    """A bad argument: ``status`` is ``"invalid_argument"`` or ``"invalid_text"``.

    Also a ValueError, whether this package or the library found the value invalid.
    """


#: Statuses that become ArgumentError.
ARGUMENT_STATUSES = frozenset({"invalid_argument", "invalid_text"})


def error(status: str, message: str) -> Error:
    """The exception for a status and its message."""
    return (ArgumentError if status in ARGUMENT_STATUSES else Error)(status, message)


def invalid(message: str) -> ArgumentError:
    """The exception for an invalid argument."""
    return ArgumentError("invalid_argument", message)
