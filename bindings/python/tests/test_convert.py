"""cloze.convert, and loading prepared models."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import cloze
from conftest import BUILT_IN, TEXTS, finish, start
from test_load import refused


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("prepared") / "model.cloze"
    assert cloze.convert(BUILT_IN, path) is None
    return path


def test_results_are_the_same(model: cloze.Model, path: Path) -> None:
    prepared = cloze.load(path, threads=1)
    assert prepared.info.precision == "int8" and prepared.info.heads == model.info.heads
    assert prepared.info.max_tokens == model.info.max_tokens and prepared.info.has_tokenizer
    assert np.array_equal(prepared.embed(TEXTS), model.embed(TEXTS))
    assert np.array_equal(cloze.load(path.read_bytes()).embed(TEXTS), model.embed(TEXTS))
    assert prepared.fill_mask("The first [MASK] war.") == model.fill_mask("The first [MASK] war.")
    for one, two in zip(prepared.mlm_logits(TEXTS[:3]), model.mlm_logits(TEXTS[:3])):
        assert np.array_equal(one, two)
    pairs = [("He was born in London.", "His father was a doctor.")]
    assert np.array_equal(prepared.next_sentence(pairs), model.next_sentence(pairs))


def test_float32(float_model: cloze.Model, tmp_path: Path) -> None:
    cloze.convert(None, str(tmp_path / "f"), precision="float32")
    prepared = cloze.load(tmp_path / "f")
    assert prepared.info.precision == "float32"
    assert np.array_equal(prepared.embed(TEXTS), float_model.embed(TEXTS))
    with refused("invalid_argument", "float32", "convert"):
        cloze.load(tmp_path / "f", precision="int8")


def test_tokenizer_of_ones_own(tmp_path: Path) -> None:
    words = b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nwar\n"
    cloze.convert(BUILT_IN, tmp_path / "m.cloze", tokenizer=cloze.Tokenizer(words))
    assert cloze.load(tmp_path / "m.cloze").tokenize("a war").tokens == ["[CLS]", "[UNK]", "war", "[SEP]"]


def test_processes_give_the_same(path: Path) -> None:
    code = (
        "import sys, hashlib, cloze\n"
        "model = cloze.load(sys.argv[1])\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "print(hashlib.sha256(model.embed(['a text', 'water ' * 50]).tobytes()).hexdigest())\n")
    # All have the file mapped at the same time.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=environment)
        for _ in range(2)]
    for program in programs:
        assert program.stdout is not None and program.stdout.readline() == "ready\n"
    found = {program.communicate("\n", timeout=60)[0] for program in programs}
    expected = hashlib.sha256(cloze.load().embed(["a text", "water " * 50]).tobytes()).hexdigest()
    assert found == {expected + "\n"}


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="needs /proc/self/smaps")
def test_weights_are_used_where_they_are_mapped(path: Path) -> None:
    code = (
        "import sys, cloze\n"
        "model = cloze.load(sys.argv[1], threads=1)\n"
        "model.embed(['a text'])\n"
        "at, sizes = '', {}\n"
        "for line in open('/proc/self/smaps'):\n"
        "    word = line.split()\n"
        "    if not word[0].endswith(':'): at = word[-1]\n"
        "    elif at == sys.argv[1]: sizes[word[0]] = sizes.get(word[0], 0) + int(word[1]) if word[1].isdigit() else 0\n"
        "print(sizes['Rss:'] * 1024, sizes['Anonymous:'], model.info.weight_bytes)\n")
    resident, anonymous, weights = map(int, finish(code, path).split())
    assert resident >= weights > 7_000_000 and anonymous == 0


def test_inspect(path: Path) -> None:
    found, original = cloze.inspect(path), cloze.inspect(BUILT_IN)
    prepared = found.pop("prepared")
    assert prepared["precision"] == "int8" and prepared["version"] == 2
    assert prepared["bytes"] == path.stat().st_size and prepared["sections"] > 50
    assert found.pop("memory_bytes") == {"int8": cloze.load(path).info.weight_bytes}
    for key in ("memory_bytes", "path"):
        original.pop(key)
    found.pop("path")
    assert found == original


def test_refused(path: Path, tmp_path: Path) -> None:
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    (tmp_path / "d.cloze").write_bytes(damaged)
    for call in (cloze.load, cloze.inspect):
        with refused("invalid_model", "d.cloze", "nsp.biases", "damaged"):
            call(tmp_path / "d.cloze")
    (tmp_path / "d.cloze").write_bytes(damaged[:-5000])
    with refused("invalid_model", "d.cloze", "truncated"):
        cloze.load(tmp_path / "d.cloze")
    with refused("invalid_argument", "prepared already"):
        cloze.convert(path, tmp_path / "again.cloze")
    with refused("io", "nowhere"):
        cloze.convert(BUILT_IN, tmp_path / "nowhere" / "a.cloze")
    with refused("not_found", "absent"):
        cloze.convert(tmp_path / "absent", tmp_path / "a.cloze")
    with pytest.raises(TypeError):
        cloze.convert(BUILT_IN, 3)  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        cloze.convert(BUILT_IN, tmp_path / "a.cloze", precision="int4")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["d.cloze"]


def test_interrupted_writing_leaves_nothing_under_the_name(tmp_path: Path) -> None:
    """After being killed at any moment: the complete old or new file."""
    target = tmp_path / "model.cloze"
    cloze.convert(BUILT_IN, target)
    sizes = {target.stat().st_size}
    code = "import sys, cloze\ncloze.load()\nprint('go', flush=True)\ncloze.convert(None, sys.argv[1], precision='float32')"
    begun = time.monotonic()
    cloze.convert(None, tmp_path / "other", precision="float32")
    length = time.monotonic() - begun
    sizes.add((tmp_path / "other").stat().st_size)
    for i in range(6):
        program = start(code, target)
        assert program.stdout is not None and program.stdout.readline() == "go\n"
        time.sleep(length * (0.3 + 0.15 * i))
        program.send_signal(signal.SIGKILL)
        program.wait()
        assert target.stat().st_size in sizes
        cloze.load(target)
