"""cloze.export."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import cloze
from conftest import BUILT_IN, TEXTS
from test_load import refused


def test_path(float_model: cloze.Model, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    assert cloze.export(BUILT_IN, path) is None
    found = cloze.load(path, precision="float32", tokenizer=BUILT_IN)
    assert found.info.heads == float_model.info.heads
    assert np.array_equal(found.embed(TEXTS), float_model.embed(TEXTS))
    cloze.export(None, tmp_path / "h.onnx", format="float16")
    assert (tmp_path / "h.onnx").stat().st_size < 0.6 * path.stat().st_size


def test_model(model: cloze.Model, tmp_path: Path) -> None:
    cloze.export(model, tmp_path / "m.onnx", format="int8")
    found = cloze.load(tmp_path / "m.onnx", tokenizer=BUILT_IN)
    assert np.array_equal(found.embed(TEXTS), model.embed(TEXTS))


def test_refusals(model: cloze.Model, tmp_path: Path) -> None:
    with refused("io", "nowhere"):
        cloze.export(model, tmp_path / "nowhere" / "m.onnx")
    with refused("not_found", "absent"):
        cloze.export(tmp_path / "absent", tmp_path / "m.onnx")
    with pytest.raises(cloze.ArgumentError, match="format"):
        cloze.export(model, tmp_path / "m.onnx", format="int4")
    with pytest.raises(cloze.ArgumentError, match="head"):
        cloze.export(model, tmp_path / "m.onnx", head=tmp_path)
    with pytest.raises(TypeError):
        cloze.export(model, 3)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
