"""NumPy arrays on their way into the library: dtype, shape and contiguity are checked before an address is taken."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from . import _abi
from ._errors import invalid

#: Integer types that the library reads as they are.
INTEGER_TYPES = {
    np.dtype(np.int32): _abi.INT32,
    np.dtype(np.int64): _abi.INT64,
    np.dtype(np.int16): _abi.INT16,
    np.dtype(np.int8): _abi.INT8,
    np.dtype(np.uint64): _abi.UINT64,
    np.dtype(np.uint32): _abi.UINT32,
    np.dtype(np.uint16): _abi.UINT16,
    np.dtype(np.uint8): _abi.UINT8,
}


def address(array: Optional[np.ndarray]) -> Optional[int]:
    """Where the array's first element lies; None, a NULL pointer, for None."""
    return None if array is None else array.ctypes.data


def given(array: np.ndarray) -> str:
    """The array in words, for messages: dtype, shape and, where it has gaps, strides."""
    text = f"{array.dtype} of shape {array.shape}"
    return text if array.flags.c_contiguous else f"{text} with strides {array.strides}"


def integers(name: str, values: object, letters: str, shape: Optional[tuple[int, ...]] = None) -> np.ndarray:
    """``values`` as a C-contiguous array of integers in this machine's byte order; an array that is one is not copied.

    letters  the shape in words, one letter a dimension: "(T,)", "(B, S)"
    shape    the exact shape needed; None: any of as many dimensions

    Raises ArgumentError for a dtype that is not of integers (bool too), another shape, and gaps between elements.
    """
    array = values if isinstance(values, np.ndarray) else np.asarray(values)
    if array.size == 0 and not isinstance(values, np.ndarray):
        array = array.astype(np.int32)  # an empty list has no type of its own
    needed = f"integers of shape {letters if shape is None else f'{letters} = {shape}'}"
    if array.dtype.kind not in "iu":
        raise invalid(f"{name} is {given(array)}; {needed} are needed")
    if array.ndim != letters.count(",") + (0 if letters.endswith(",)") else 1):
        raise invalid(f"{name} is {given(array)}; {needed} are needed")
    if shape is not None and array.shape != shape:
        raise invalid(f"{name} is {given(array)}; {needed} are needed")
    if not array.flags.c_contiguous:
        raise invalid(f"{name} is {given(array)}; it must be C-contiguous: pass np.ascontiguousarray({name})")
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def alike(arrays: dict[str, Optional[np.ndarray]]) -> tuple[list[Optional[np.ndarray]], int]:
    """The arrays with one integer type between them, and its number in the C ABI.

    Arrays that differ are copied to int32; ArgumentError names the first value that it cannot hold.
    """
    types = {array.dtype for array in arrays.values() if array is not None}
    if len(types) == 1:
        return list(arrays.values()), INTEGER_TYPES[types.pop()]
    return [None if array is None else narrow(name, array, np.int32) for name, array in arrays.items()], _abi.INT32


def narrow(name: str, array: np.ndarray, dtype: type[np.signedinteger[Any]]) -> np.ndarray:
    """The array as ``dtype``, itself where it is that already; ArgumentError for a value that does not fit."""
    target = np.dtype(dtype)
    if array.dtype == target:
        return array
    limits = np.iinfo(dtype)
    # Python's own integers compare exactly with the limits, whatever the array's width.
    if array.size and (int(array.max()) > limits.max or int(array.min()) < limits.min):
        wrong = (array > limits.max) if int(array.max()) > limits.max else (array < limits.min)
        place = tuple(int(axis[0]) for axis in np.nonzero(wrong))
        index = ", ".join(map(str, place))
        raise invalid(f"{name}[{index}] is {array[place]}; {target} holds {limits.min} to {limits.max}")
    return array.astype(target)


def results(out: Optional[np.ndarray], shape: tuple[int, ...], letters: str) -> np.ndarray:
    """The array that receives results: ``out`` where it is given, else a new one.

    ``out`` must be a writable C-contiguous float32 array of just this shape, else ArgumentError.
    """
    if out is None:
        return np.empty(shape, np.float32)
    needed = f"a C-contiguous float32 array of shape {letters} = {shape} is needed"
    if not isinstance(out, np.ndarray):
        raise invalid(f"out is {type(out).__name__}; {needed}")
    if out.dtype != np.float32 or not out.dtype.isnative or out.shape != shape or not out.flags.c_contiguous:
        raise invalid(f"out is {given(out)}; {needed}")
    if not out.flags.writeable:
        raise invalid("out is read-only; results cannot be written into it")
    return out


