"""Checks keyword arguments of public functions and converts them to values of the C ABI."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Optional, TypeVar, Union

import numpy as np

from . import _abi
from ._errors import invalid

PRECISIONS = {"int8": _abi.PRECISION_INT8, "float32": _abi.PRECISION_FLOAT32}

TRUNCATIONS = {
    "error": _abi.TRUNCATION_ERROR,
    "longest_first": _abi.TRUNCATION_LONGEST_FIRST,
    "only_first": _abi.TRUNCATION_ONLY_FIRST,
    "only_second": _abi.TRUNCATION_ONLY_SECOND,
}

POOLINGS = {
    "mean": _abi.POOLING_MEAN,
    "cls": _abi.POOLING_CLS,
    "max": _abi.POOLING_MAX,
    "mean_sqrt_len": _abi.POOLING_MEAN_SQRT_LEN,
    "pooler": _abi.POOLING_POOLER,
    "last_token": _abi.POOLING_LAST_TOKEN,
    "weighted_mean": _abi.POOLING_WEIGHTED_MEAN,
}

OUTPUTS = {
    "hidden": _abi.OUTPUT_HIDDEN,
    "embedding": _abi.OUTPUT_EMBEDDING,
    "pooler": _abi.OUTPUT_POOLER,
    "mlm": _abi.OUTPUT_MLM,
    "nsp": _abi.OUTPUT_NSP,
    "classes": _abi.OUTPUT_CLASSES,
    "tags": _abi.OUTPUT_TAGS,
    "answer": _abi.OUTPUT_ANSWER,
}

_INT32_MAX = 2**31 - 1

Value = TypeVar("Value")


def word(name: str, value: object, words: dict[str, Value]) -> Value:
    """What one of ``words`` stands for, such as a value of the ABI."""
    found = words.get(value) if isinstance(value, str) else None
    if found is None:
        raise invalid(f"{name} is {value!r}; known are {', '.join(map(repr, words))}")
    return found


def optional_word(name: str, value: object, words: dict[str, int]) -> int:
    """The same; None: 0, the library's default."""
    return 0 if value is None else word(name, value, words)


def optional_count(name: str, value: object) -> int:
    """The same as ``count``; None: 0, the library's default."""
    return 0 if value is None else count(name, value)


def count(name: str, value: object) -> int:
    """An integer from 1 to 2**31 - 1."""
    number = integer(name, value)
    if not 1 <= number <= _INT32_MAX:
        raise invalid(f"{name} is {number}; it must be from 1 to {_INT32_MAX}")
    return number


def integer(name: str, value: object) -> int:
    """An ``int``, or an object with ``__index__`` such as a NumPy integer; not a bool."""
    if not isinstance(value, (bool, np.bool_)):
        try:
            return operator.index(value)  # type: ignore[arg-type]
        except TypeError:
            pass
    raise TypeError(f"{name} is {type(value).__name__} {value!r}; an int is needed")


def switch(name: str, value: Optional[bool]) -> int:
    """The ABI's three-valued switch: None 0, the default; True 1; False 2."""
    if value is None:
        return 0
    if isinstance(value, (bool, np.bool_)):
        return 1 if value else 2
    raise TypeError(f"{name} is {type(value).__name__} {value!r}; True, False or None is needed")


def prompt_name(value: Optional[str], prompts: dict[str, str]) -> Optional[bytes]:
    """``prompt`` as the ABI takes it: a name out of ``prompts``, "" for none, None for the default."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise TypeError(f"prompt is {type(value).__name__} {value!r}; a name of a prompt or None is needed")
    if value and value not in prompts:
        known = f"known are {', '.join(map(repr, prompts))}" if prompts else "the model has no prompts"
        raise invalid(f"prompt is {value!r}; {known}")
    return value.encode()


def layers(value: Union[int, Iterable[int]]) -> tuple[np.ndarray, bool]:
    """``layer`` as an int32 array (N,), and whether it is a single number."""
    single = not isinstance(value, Iterable)
    numbers = [integer("layer", one) for one in ([value] if single else value)]  # type: ignore[union-attr]
    if not numbers:
        raise invalid("layer is an empty sequence; name at least one layer")
    for number in numbers:
        if abs(number) > _INT32_MAX:
            raise invalid(f"layer is {number}; no model has as many")
    return np.array(numbers, np.int32), single
