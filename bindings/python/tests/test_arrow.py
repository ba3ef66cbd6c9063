"""Arrow columns in place of lists of texts."""

from __future__ import annotations

import numpy as np
import pytest

import cloze

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")

TEXTS = ["a text", "", "台北大学", "another text, a longer one", "a text", "ü"]


@pytest.fixture(scope="module")
def wanted(model: cloze.Model) -> np.ndarray:
    return model.embed(TEXTS)


def columns() -> dict[str, object]:
    whole = pa.array(TEXTS)
    return {
        "string": whole,
        "large string": pa.array(TEXTS, pa.large_string()),
        "dictionary": whole.dictionary_encode(),
        "slice": pa.array(["before", *TEXTS, "after"])[1:-1],
        "chunks": pa.chunked_array([whole[:2], whole[2:2], whole[2:]]),
        "chunks of dictionaries": pa.chunked_array([whole[:3].dictionary_encode(), whole[3:].dictionary_encode()]),
        **({"view": whole.cast(pa.string_view())} if hasattr(pa, "string_view") else {}),
    }


@pytest.mark.parametrize("name", columns())
def test_columns_of_every_kind(model: cloze.Model, wanted: np.ndarray, name: str) -> None:
    assert np.array_equal(model.embed(columns()[name]), wanted)


def test_no_rows(model: cloze.Model) -> None:
    for column in (pa.array([], pa.string()), pa.chunked_array([], pa.string()), pa.array(["a"])[:0]):
        assert model.embed(column).shape == (0, 256)
    assert np.array_equal(model.embed(pa.array([""] * 3)), model.embed([""] * 3))


def test_refused(model: cloze.Model) -> None:
    with pytest.raises(TypeError, match="texts is a column of int64; strings are needed"):
        model.embed(pa.array([1]))
    with pytest.raises(TypeError, match="texts is a column of null"):
        model.embed(pa.array([None]))
    with pytest.raises(cloze.ArgumentError, match=r"texts\[3\] is null") as raised:
        model.embed(pa.chunked_array([["a", "b"], ["c", None]]))
    assert raised.value.status == "invalid_text"
    broken = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(np.array([0, 1, 2], np.int32).tobytes()), pa.py_buffer(b"a\xff")])
    with pytest.raises(cloze.Error, match="text 1"):
        model.embed(broken)
