"""Shared fixtures: models, texts, and Python programs in processes of their own.

Real models and texts outside the repository are used where CLOZE_SHARED names the folder that has them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cloze

ROOT = Path(__file__).resolve().parents[3]
BUILT_IN = ROOT / "models" / "cloze-mini"
SOURCES = Path(cloze.__file__).resolve().parents[1]

#: Short and long, English and Chinese, pairs, nothing at all, and what is no word.
TEXTS = [
    "The first world war began in 1914.",
    "",
    "台北是台灣的首都，也是最大的城市之一。",
    ("He was born in London in 1850.", "His father was a doctor there."),
    "a",
    "Naïve café: 50 % off — “today” only! \U0001F600 ﬁ",
    "water " * 70,
    ("北京", ""),
    "Cloze reads a BERT from a file and keeps its weights in eight bits, which is enough.",
]


@pytest.fixture(scope="session")
def model() -> cloze.Model:
    return cloze.load(threads=2)


@pytest.fixture(scope="session")
def float_model() -> cloze.Model:
    return cloze.load(precision="float32", threads=2)


@pytest.fixture(scope="session")
def bare_model(tmp_path_factory: pytest.TempPathFactory) -> cloze.Model:
    """The built-in model without a tokenizer: its ONNX file alone in a folder."""
    folder = tmp_path_factory.mktemp("bare")
    os.symlink(BUILT_IN / "model.onnx", folder / "model.onnx")
    return cloze.load(folder, threads=1)


@pytest.fixture(scope="session")
def shared() -> Path:
    folder = os.environ.get("CLOZE_SHARED")
    if not folder:
        pytest.skip("CLOZE_SHARED is not set: needs real models and texts that are not in the repository")
    return Path(folder)


@pytest.fixture(scope="session")
def minilm(shared: Path) -> Path:
    folder = shared / "models" / "minilm"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    return folder


@pytest.fixture(scope="session")
def english(shared: Path) -> list[str]:
    """The first 1,000 lines of English text."""
    with open(shared / "data" / "texts-en.txt", encoding="utf-8") as lines:
        return [line.rstrip("\n") for line, _ in zip(lines, range(1000))]


@pytest.fixture
def batch(model: cloze.Model) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """TEXTS as a ragged batch: ids, cu_seqlens, type ids."""
    encodings = [model.tokenize(text) for text in TEXTS]
    ids = np.concatenate([encoding.ids for encoding in encodings])
    types = np.concatenate([encoding.type_ids for encoding in encodings])
    return ids, np.cumsum([0] + [len(encoding) for encoding in encodings]), types


def start(code: str, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    """Starts a Python program that can import this cloze."""
    path = os.pathsep.join(filter(None, [str(SOURCES), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": path, **environment})


def finish(code: str, *arguments: object, **environment: str) -> str:
    """Runs such a program to its end, which must be successful, and returns its output."""
    program = start(code, *arguments, **environment)
    try:
        output, errors = program.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        program.kill()
        raise
    assert program.returncode == 0, f"exit status {program.returncode}\n{output}\n{errors}"
    return output
