"""Columns of Arrow as texts and vectors, without Python objects in between."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Optional

import numpy as np

from . import _abi
from ._arrays import address
from ._errors import ArgumentError, invalid

if TYPE_CHECKING:
    import pyarrow


def is_column(values: object) -> bool:
    """Whether this is an Arrow array, chunked or not; without importing pyarrow."""
    module = sys.modules.get("pyarrow")
    return module is not None and isinstance(values, (module.Array, module.ChunkedArray))


class TextColumn:
    """A ``cloze_texts`` of one or two columns: the addresses of their texts in Arrow's own memory.

    Strings of any kind, also encoded by dictionaries; ``struct`` is valid as long as this object.

    Raises TypeError: a column that is not text. ArgumentError: a null, columns of different lengths.
    """

    def __init__(self, first: Any, second: Any = None, *, names: tuple[str, str] = ("texts", "pairs")) -> None:
        self._first = _Column(first, names[0])
        self.count = len(self._first.lengths)
        self.bytes = int(self._first.lengths.sum())
        self.struct = _abi.Texts(
            count=self.count, texts=address(self._first.addresses), lengths=address(self._first.lengths))
        if second is not None:
            self._second = _Column(second, names[1])
            if len(self._second.lengths) != self.count:
                raise invalid(f"{names[0]} has {self.count} texts, {names[1]} {len(self._second.lengths)}")
            self.bytes += int(self._second.lengths.sum())
            self.struct.pairs = address(self._second.addresses)
            self.struct.pair_lengths = address(self._second.lengths)

    @property
    def tokens(self) -> int:
        """Estimate of the number of tokens, as that of a list."""
        return self.bytes // 3 + 2 * self.count


class _Column:
    """Addresses and lengths of texts, and the arrays that hold their bytes."""

    def __init__(self, column: Any, name: str) -> None:
        import pyarrow

        self._kept: list[Any] = []
        chunks = column.chunks if isinstance(column, pyarrow.ChunkedArray) else [column]
        parts = [self._places(chunk, name, sum(map(len, chunks[:i]))) for i, chunk in enumerate(chunks)]
        empty = np.zeros(0, np.uintp)
        self.addresses = np.concatenate([part[0] for part in parts] or [empty])
        self.lengths = np.concatenate([part[1] for part in parts] or [empty])

    def _places(self, chunk: Any, name: str, before: int) -> tuple[np.ndarray, np.ndarray]:
        import pyarrow

        types = pyarrow.types
        if types.is_dictionary(chunk.type):
            chunk = chunk.dictionary_decode()
        if hasattr(types, "is_string_view") and types.is_string_view(chunk.type):
            chunk = chunk.cast(pyarrow.large_string())
        if not (types.is_string(chunk.type) or types.is_large_string(chunk.type)):
            raise TypeError(f"{name} is a column of {chunk.type}; strings are needed")
        if chunk.null_count:
            missing = int(np.flatnonzero(chunk.is_null().to_numpy(zero_copy_only=False))[0])
            raise ArgumentError("invalid_text", f"{name}[{before + missing}] is null")
        self._kept.append(chunk)
        _, offsets, data = chunk.buffers()
        if not len(chunk):
            return np.zeros(0, np.uintp), np.zeros(0, np.uintp)
        kind = np.int64 if types.is_large_string(chunk.type) else np.int32
        ends = np.frombuffer(offsets, kind)[chunk.offset:chunk.offset + len(chunk) + 1].astype(np.uintp)
        begin = np.uintp(data.address if data is not None else 0)
        return begin + ends[:-1], np.diff(ends)


def vectors(values: np.ndarray, valid: Optional[np.ndarray] = None) -> pyarrow.FixedSizeListArray:
    """Rows (B, E) as a column of fixed-size lists over the same memory.

    valid  (rows,) bool, of which B are True: the others are null; None: all
    """
    import pyarrow

    size = values.shape[1]
    if valid is None:
        return pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(values.reshape(-1)), size)
    whole = np.zeros((len(valid), size), values.dtype)
    whole[valid] = values
    return pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(whole.reshape(-1)), size, mask=pyarrow.array(~valid))
