"""NumPy arrays passed to the library: dtype, shape and contiguity are checked before an address is taken."""

from __future__ import annotations

import ctypes
from typing import Any, Callable, Optional

import numpy as np

from . import _abi
from ._errors import Error, invalid

#: Integer types that the library reads without conversion.
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
    """The address of the first element; None, a NULL pointer, for None."""
    return None if array is None else array.ctypes.data


def described(array: np.ndarray) -> str:
    """Dtype, shape and, unless C-contiguous, strides of an array, for messages."""
    text = f"{array.dtype} of shape {array.shape}"
    return text if array.flags.c_contiguous else f"{text} with strides {array.strides}"


def integers(name: str, values: object, letters: str, shape: Optional[tuple[int, ...]] = None) -> np.ndarray:
    """``values`` as a C-contiguous integer array in native byte order; not copied if it is one.

    letters  symbolic shape, one letter per dimension: "(T,)", "(B, S)"
    shape    required shape; None: any with as many dimensions as ``letters``

    Raises ArgumentError: a dtype other than integers (bool included), another shape, an array that is not C-contiguous.
    """
    array = values if isinstance(values, np.ndarray) else np.asarray(values)
    if array.size == 0 and not isinstance(values, np.ndarray):
        array = array.astype(np.int32)  # NumPy makes an empty list float64
    needed = f"integers of shape {letters if shape is None else f'{letters} = {shape}'}"
    if array.dtype.kind not in "iu":
        raise invalid(f"{name} is {described(array)}; {needed} are needed")
    if array.ndim != letters.count(",") + (0 if letters.endswith(",)") else 1):
        raise invalid(f"{name} is {described(array)}; {needed} are needed")
    if shape is not None and array.shape != shape:
        raise invalid(f"{name} is {described(array)}; {needed} are needed")
    if not array.flags.c_contiguous:
        raise invalid(f"{name} is {described(array)}; it must be C-contiguous: pass np.ascontiguousarray({name})")
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def with_common_type(arrays: dict[str, Optional[np.ndarray]]) -> tuple[list[Optional[np.ndarray]], int]:
    """The arrays in one integer type, and its ``cloze_integer``.

    Arrays of different types are converted to int32; ArgumentError: the first value out of its range.
    """
    types = {array.dtype for array in arrays.values() if array is not None}
    if len(types) == 1:
        return list(arrays.values()), INTEGER_TYPES[types.pop()]
    return [None if array is None else converted(name, array, np.int32) for name, array in arrays.items()], _abi.INT32


def converted(name: str, array: np.ndarray, dtype: type[np.signedinteger[Any]]) -> np.ndarray:
    """The array as ``dtype``, not copied if it is one. ArgumentError: the first value out of range."""
    target = np.dtype(dtype)
    if array.dtype == target:
        return array
    limits = np.iinfo(dtype)
    # As Python integers, which compare exactly: NumPy may compare uint64 with a negative limit as float64.
    if array.size and (int(array.max()) > limits.max or int(array.min()) < limits.min):
        wrong = (array > limits.max) if int(array.max()) > limits.max else (array < limits.min)
        place = tuple(int(axis[0]) for axis in np.nonzero(wrong))
        index = ", ".join(map(str, place))
        raise invalid(f"{name}[{index}] is {array[place]}; {target} holds {limits.min} to {limits.max}")
    return array.astype(target)


def result_array(out: Optional[np.ndarray], shape: tuple[int, ...], letters: str) -> np.ndarray:
    """``out``, or a new float32 array if it is None.

    Raises ArgumentError unless ``out`` is a writable, C-contiguous float32 array of this shape.
    """
    if out is None:
        return np.empty(shape, np.float32)
    needed = f"a C-contiguous float32 array of shape {letters} = {shape} is needed"
    if not isinstance(out, np.ndarray):
        raise invalid(f"out is {type(out).__name__}; {needed}")
    if out.dtype != np.float32 or not out.dtype.isnative or out.shape != shape or not out.flags.c_contiguous:
        raise invalid(f"out is {described(out)}; {needed}")
    if not out.flags.writeable:
        raise invalid("out is read-only; results cannot be written into it")
    return out


def growing(
    call: Callable[[np.ndarray], None], dtype: np.dtype[Any], capacity: int, found: ctypes.c_size_t
) -> np.ndarray:
    """The rows that ``call`` writes, where their number is known only after it ran.

    call      calls the library with a result array [capacity]; the library sets ``found`` to the number of rows
    capacity  of the first attempt; a second one has room for ``found`` rows if the first was too small
    """
    while True:
        rows = np.empty(capacity, dtype)
        try:
            call(rows)
        except Error as failure:
            if failure.status != "buffer_too_small" or found.value <= capacity:
                raise
            capacity = found.value
        else:
            return rows[: found.value]
