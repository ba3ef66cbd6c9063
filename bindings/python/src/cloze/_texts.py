"""Packing texts for the library, and converting byte offsets in them to characters."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Optional, Union

import numpy as np

from . import _abi
from ._arrays import address
from ._arrow import TextColumn, is_column
from ._errors import ArgumentError, invalid

#: A text, or a pair, encoded as ``[CLS] first [SEP] second [SEP]``.
Text = Union[str, "tuple[str, str]"]


def utf8(text: str, name: str) -> bytes:
    """The text in UTF-8. ArgumentError, status ``invalid_text``: a lone surrogate."""
    try:
        return text.encode()
    except UnicodeEncodeError as failure:
        raise ArgumentError(
            "invalid_text",
            f"{name} has the lone surrogate U+{ord(text[failure.start]):04X} at position {failure.start}, "
            "which is not a character",
        ) from None


def split(text: object, name: str, *, lists: bool = True) -> tuple[bytes, Optional[bytes]]:
    """First and second text in UTF-8; the second is None for a single text. ``lists``: a pair may be a list too."""
    if isinstance(text, str):
        return utf8(text, name), None
    if isinstance(text, (tuple, list) if lists else tuple):
        if len(text) == 2 and isinstance(text[0], str) and isinstance(text[1], str):
            return utf8(text[0], f"{name}[0]"), utf8(text[1], f"{name}[1]")
        inside = ", ".join(type(part).__name__ for part in text[:3]) + (", ..." if len(text) > 3 else "")
        raise TypeError(f"{name} is a {type(text).__name__} of {inside or 'nothing'}; a pair is (str, str)")
    raise TypeError(f"{name} is {type(text).__name__}; a text is a str or a pair (str, str)")


class TextList:
    """A ``cloze_texts`` and its memory: one block of UTF-8, with the address and length of each text.

    ``struct`` is valid as long as this object.
    """

    def __init__(self, texts: Iterable[tuple[bytes, Optional[bytes]]]) -> None:
        firsts, seconds = [], []
        for first, second in texts:
            firsts.append(first)
            seconds.append(second)
        self.count = len(firsts)
        self._block = b"".join(firsts)
        self._lengths, self._addresses = _layout(firsts, self._block)
        self.bytes = len(self._block)
        self.struct = _abi.Texts(
            count=self.count, texts=address(self._addresses), lengths=address(self._lengths))
        if any(second is not None for second in seconds):
            self._pair_block = b"".join(second or b"" for second in seconds)
            self._pair_lengths, self._pair_addresses = _layout(seconds, self._pair_block)
            self.bytes += len(self._pair_block)
            self.struct.pairs = address(self._pair_addresses)
            self.struct.pair_lengths = address(self._pair_lengths)

    @property
    def tokens(self) -> int:
        """Estimate of the number of tokens: a Chinese character has three bytes, an English token about four."""
        return self.bytes // 3 + 2 * self.count


def _layout(parts: Sequence[Optional[bytes]], block: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Length and address of each part in the block of their concatenation; None has address 0."""
    lengths = np.fromiter((len(part) if part else 0 for part in parts), np.uintp, len(parts))
    begin = ctypes.cast(ctypes.c_char_p(block), ctypes.c_void_p).value or 0
    addresses = np.cumsum(lengths, dtype=np.uintp)
    addresses += np.uintp(begin)
    addresses -= lengths
    if None in parts:
        addresses[np.fromiter((part is None for part in parts), np.bool_, len(parts))] = 0
    return lengths, addresses


def pack(texts: Iterable[Text], name: str = "texts") -> Union[TextList, TextColumn]:
    """The texts of an iterable; those of an Arrow column stay where they are.

    Raises TypeError: a str instead of a list, or an entry that is not a text. ArgumentError: a lone surrogate. Both
    name the entry.
    """
    if isinstance(texts, (str, bytes)):
        raise TypeError(f"{name} is {type(texts).__name__}; pass a list of texts, [text] for a single one")
    if isinstance(texts, TextColumn):
        return texts
    if is_column(texts):
        return TextColumn(texts, names=(name, ""))
    # Of a mapping the keys would be taken; a set has no order that results could have.
    if not isinstance(texts, Iterable) or isinstance(texts, (Mapping, Set)):
        raise TypeError(f"{name} is {type(texts).__name__}; pass a list of texts")
    return TextList(split(text, f"{name}[{index}]") for index, text in enumerate(texts))


def pack_pairs(pairs: Iterable[tuple[str, str]], name: str = "pairs") -> TextList:
    """The same for pairs. ArgumentError also for an entry without a second text."""
    if isinstance(pairs, (str, bytes, Mapping, Set)) or not isinstance(pairs, Iterable):
        raise TypeError(f"{name} is {type(pairs).__name__}; pass a list of pairs (str, str)")

    def both(index: int, pair: object) -> tuple[bytes, Optional[bytes]]:
        first, second = split(pair, f"{name}[{index}]")
        if second is None:
            raise invalid(f"{name}[{index}] is a single text; a pair (str, str) is needed")
        return first, second

    return TextList(both(index, pair) for index, pair in enumerate(pairs))


def positions_of(text: bytes) -> Optional[np.ndarray]:
    """For each byte offset 0 to len(text), the number of code points before it; None for ASCII, where both are equal.
    """
    if text.isascii():
        return None
    begins = (np.frombuffer(text, np.uint8) & 0xC0) != 0x80
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(begins, dtype=np.int64)))
