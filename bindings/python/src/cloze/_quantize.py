"""Embeddings in fewer bits, for indexes: the convention of sentence-transformers' ``quantize_embeddings``."""

from __future__ import annotations

from typing import Optional

import numpy as np

from ._arrays import described
from ._errors import invalid
from ._options import word

#: The elements of embeddings, and how NumPy stores them.
DTYPES: dict[str, type[np.generic]] = {
    "float32": np.float32, "float16": np.float16, "int8": np.int8, "uint8": np.uint8, "binary": np.int8,
    "ubinary": np.uint8}


def quantize(embeddings: np.ndarray, dtype: str, ranges: Optional[np.ndarray] = None) -> np.ndarray:
    """Embeddings (B, E) with other elements.

    dtype   ``"float32"``; ``"float16"``; ``"int8"``, ``"uint8"``: 256 levels from a dimension's lowest to its highest
            value, from -128 or from 0, values outside cut; ``"binary"``, ``"ubinary"``: one bit a dimension, 1 where it
            is positive, (B, ceil(E / 8)) int8 (the packed byte minus 128) or uint8
    ranges  (2, E) float32, lowest and highest value of each dimension, for the levels; None: those of the embeddings,
            which texts and queries of one index must share: ``numpy.stack([e.min(axis=0), e.max(axis=0)])``

    Raises ArgumentError: ranges for another dtype, of another shape, or missing where there is one embedding alone.
    """
    if not isinstance(embeddings, np.ndarray) or embeddings.ndim != 2 or embeddings.dtype.kind != "f":
        given = described(embeddings) if isinstance(embeddings, np.ndarray) else type(embeddings).__name__
        raise invalid(f"embeddings is {given}; floating-point numbers of shape (B, E) are needed")
    limits = checked_ranges(dtype, ranges, embeddings.shape[1])
    if dtype in ("float32", "float16"):
        return embeddings.astype(DTYPES[dtype], copy=False)
    if dtype in ("binary", "ubinary"):
        bits = np.packbits(embeddings > 0, axis=-1)
        return bits if dtype == "ubinary" else (bits ^ 0x80).view(np.int8)
    lowest, highest = _own(embeddings, dtype) if limits is None else limits
    steps = (highest - lowest) / np.float32(255)
    steps[steps == 0] = 1
    levels = np.clip(np.floor((embeddings - lowest) / steps), 0, 255).astype(np.uint8)
    return levels if dtype == "uint8" else (levels ^ 0x80).view(np.int8)


def _own(embeddings: np.ndarray, dtype: str) -> np.ndarray:
    if len(embeddings) == 1:
        raise invalid(f'dtype "{dtype}" needs the ranges of at least two texts; pass some as ranges')
    if not len(embeddings):
        return np.zeros((2, embeddings.shape[1]), np.float32)
    return np.stack([embeddings.min(axis=0), embeddings.max(axis=0)]).astype(np.float32, copy=False)


def checked_ranges(dtype: str, ranges: Optional[np.ndarray], columns: int) -> Optional[np.ndarray]:
    """The ranges as float32, None if there are none. Raises ArgumentError as ``quantize``."""
    word("dtype", dtype, DTYPES)
    if ranges is None:
        return None
    if dtype not in ("int8", "uint8"):
        raise invalid(f'ranges is given; dtype "{dtype}" has none')
    array = np.asarray(ranges)
    if array.shape != (2, columns) or array.dtype.kind != "f":
        raise invalid(f"ranges is {described(array)}; floating-point numbers of shape (2, {columns}) are needed")
    array = array.astype(np.float32)
    lowest, highest = array
    wrong = np.nonzero(~(lowest <= highest) | ~np.isfinite(lowest) | ~np.isfinite(highest))[0]
    if wrong.size:
        raise invalid(f"ranges[:, {wrong[0]}] is {lowest[wrong[0]]} to {highest[wrong[0]]}, which is no range")
    return array
