"""What a call can fail with."""

from __future__ import annotations


class Error(Exception):
    """What Cloze refuses, with the reason in words.

    ``status`` is one of the words of ``cloze_status`` in ``cloze.h``: ``"not_found"``, ``"io"``,
    ``"invalid_model"``, ``"unsupported_model"``, ``"too_long"``, ``"no_head"``, ``"cancelled"`` and so on. ``str()``
    is the sentence that names the cause.
    """

    def __init__(self, status: str, message: str) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message

    def __str__(self) -> str:
        return self.message


class ArgumentError(Error, ValueError):
    """A bad argument: ``status`` is ``"invalid_argument"`` or ``"invalid_text"``.

    It is a ValueError too, so that it does not matter to the caller whether this package or the library beneath it
    looked at the value.
    """


#: The statuses that speak about an argument's value.
ARGUMENT_STATUSES = frozenset({"invalid_argument", "invalid_text"})


def error(status: str, message: str) -> Error:
    """The exception for a status word and its message."""
    return (ArgumentError if status in ARGUMENT_STATUSES else Error)(status, message)


def invalid(message: str) -> ArgumentError:
    """The exception for an argument that cannot be used."""
    return ArgumentError("invalid_argument", message)
