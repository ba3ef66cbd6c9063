"""Exact search of vectors: the rows with the largest dot products, and near duplicates."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Callable, Optional

import numpy as np

from . import _abi
from ._arrays import address, described, growing
from ._calls import interruptible
from ._errors import invalid
from ._library import check, lib, receive
from ._options import PRECISIONS, integer, optional_count, word

#: Multiply-adds of one call into the library, half a second of one AVX2 core, and of one that Ctrl-C need not interrupt.
_CALL, _DIRECT = 10_000_000_000, 1_000_000_000
_PAIR = np.dtype([("first", np.int64), ("second", np.int64), ("score", np.float32), ("reserved", np.int32)])


def search(
    vectors: np.ndarray, queries: np.ndarray, *, top_k: int = 10, threads: Optional[int] = None
) -> tuple[np.ndarray, np.ndarray]:
    """The ``top_k`` rows of ``vectors`` with the largest dot product with each query: ``(indices, scores)``.

    vectors  (N, D) float32, C-contiguous, read in place; may be mapped: ``numpy.load("v.npy", mmap_mode="r")``
    queries  (Q, D), or (D,) for one query
    top_k    1 to N
    threads  None: as many as the process may use

    Returns (Q, top_k) int64 and float32, best first; of equal scores the lower index comes first. Exact: every vector
    is compared in float32. A score is the cosine where vectors and queries have length 1, as ``embed`` returns them
    unless the model's files say otherwise, and has the same bits on every CPU and on any number of threads.

    To search the same vectors often, make a ``VectorIndex``, which returns the same and reads a quarter of the bytes.

    Raises ArgumentError: another dtype or shape, no vectors, a query or a vector that is not finite, by its index.
    """
    return VectorIndex(vectors, precision="float32", threads=threads).search(queries, top_k=top_k)


class VectorIndex:
    """Vectors prepared for exact search. Immutable, can be shared between threads.

    vectors    (N, D) float32, C-contiguous, kept in place and not to be changed; may be mapped
    precision  ``"int8"``: takes N * (D + 4) bytes more, and looks in float32 at those vectors only that may be among the
               results by a bound that is never wrong; ``"float32"``: nothing is prepared. The results are the same.
    threads    of a search; None: as many as the process may use

    Raises ArgumentError: another dtype or shape, no vectors, and, in int8, a vector that is not finite.
    """

    def __init__(
        self, vectors: np.ndarray, *, precision: str = "int8", threads: Optional[int] = None
    ) -> None:
        self._vectors = _floats("vectors", vectors, "(N, D)")
        count, dimensions = self._vectors.shape
        options = _abi.IndexOptions(
            precision=word("precision", precision, PRECISIONS), threads=optional_count("threads", threads))
        values = address(self._vectors)
        self._handle = interruptible(
            lambda: receive(
                lambda out: lib.cloze_index_create(values, count, dimensions, ctypes.byref(options), out),
                lib.cloze_index_free))

    @property
    def shape(self) -> tuple[int, int]:
        """Of the vectors: (N, D)."""
        return self._vectors.shape

    def __len__(self) -> int:
        return len(self._vectors)

    def search(self, queries: np.ndarray, *, top_k: int = 10) -> tuple[np.ndarray, np.ndarray]:
        """``(indices, scores)`` of the ``top_k`` best vectors for each query, as ``cloze.search``."""
        values = np.asarray(queries)
        values = _floats("queries", values[None] if values.ndim == 1 else values, "(Q, D)", self.shape[1])
        count = integer("top_k", top_k)
        if not 1 <= count <= len(self):
            raise invalid(f"top_k is {count}; 1 to {len(self)}, the number of vectors, are possible")
        indices = np.empty((len(values), count), np.int64)
        scores = np.empty((len(values), count), np.float32)
        if not np.isfinite(values).all():
            row, column = np.argwhere(~np.isfinite(values))[0]
            raise invalid(f"queries[{row}, {column}] is {values[row, column]}; a finite number is needed")
        for first, end in self._parts(len(values)):
            part, found, best = values[first:end], indices[first:end], scores[first:end]
            self._call(
                lambda: lib.cloze_index_search(
                    self._handle, address(part), len(part), count, address(found), address(best), found.size),
                len(part))
        return indices, scores

    def pairs(self, above: float) -> tuple[np.ndarray, np.ndarray]:
        """Near duplicates: ``(pairs, scores)`` of all pairs of vectors whose dot product is larger than ``above``.

        Returns (P, 2) int64, the lower index first, ordered by the first, then the second, and (P,) float32.
        """
        threshold, parts = float(above), []
        for first, end in self._parts(len(self)):
            found = ctypes.c_size_t()
            parts.append(
                growing(
                    lambda rows: self._call(
                        lambda: lib.cloze_index_pairs(
                            self._handle, threshold, first, end, address(rows), rows.size, ctypes.byref(found)),
                        end - first),
                    _PAIR, 1 << 12, found))
        table = np.concatenate(parts)
        return np.stack([table["first"], table["second"]], axis=1), table["score"].copy()

    def _parts(self, rows: int) -> Iterator[tuple[int, int]]:
        """Ranges of so many queries that a call takes a part of a second."""
        step = max(1, _CALL // self._vectors.size)
        step = step if step < 64 else step // 64 * 64
        return ((first, min(first + step, rows)) for first in range(0, rows, step))

    def _call(self, call: Callable[[], int], queries: int) -> None:
        """Makes a call on some queries, which Ctrl-C interrupts where it is long; it then ends on a thread of its own."""
        if self._vectors.size * queries <= _DIRECT:
            check(call())
        else:
            interruptible(lambda: check(call()))



def _floats(name: str, values: object, letters: str, width: Optional[int] = None) -> np.ndarray:
    """``values`` if it is a float32 array (rows, width). Raises ArgumentError with its dtype and shape."""
    needed = f"float32 of shape {letters}{'' if width is None else f' with D = {width}'}"
    if not isinstance(values, np.ndarray):
        raise invalid(f"{name} is {type(values).__name__}; an array, {needed}, is needed")
    if values.dtype != np.float32 or not values.dtype.isnative:
        raise invalid(f"{name} is {described(values)}; {needed} is needed: pass {name}.astype(numpy.float32)")
    if values.ndim != 2 or (width is not None and values.shape[1] != width):
        raise invalid(f"{name} is {described(values)}; {needed} is needed")
    if not values.flags.c_contiguous or not values.flags.aligned:
        raise invalid(f"{name} is {described(values)}; it must be C-contiguous: pass np.ascontiguousarray({name})")
    return values
