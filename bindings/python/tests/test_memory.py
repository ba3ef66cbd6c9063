"""Resident memory of a model and its runs, in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

import cloze
from conftest import BUILT_IN, finish

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").exists(), reason="needs /proc/self/smaps_rollup")

MEGABYTE = 1_000_000

#: Loads a model, runs 32 texts of some 120 tokens and frees the session. Prints bytes: the weights, then what is
#: resident more than before loading: after it, after the run, and without the session; and the peak while loading.
MEASURE = """
import sys, cloze

def status(file, key):
    return next(int(line.split()[1]) * 1024 for line in open(file) if line.startswith(key))

def resident():
    return status("/proc/self/smaps_rollup", "Rss:")

cloze.Tokenizer(b"[UNK]\\n[CLS]\\n[SEP]\\n").encode("a")  # what a process holds once
before, peak_before = resident(), status("/proc/self/status", "VmHWM:")
model = cloze.load(sys.argv[1], threads=2)
loaded, peak = resident(), status("/proc/self/status", "VmHWM:")
model.embed(["water " * 118] * 32)
ran = resident()
weights = model.info.weight_bytes
model._sessions._idle.clear()  # the session is freed, the model stays
print(weights, loaded - before, ran - before, resident() - before, peak - peak_before)
"""


@pytest.fixture(scope="module", params=["built in", "built in, prepared", "minilm", "minilm, prepared"])
def model_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = request.getfixturevalue("minilm") if "minilm" in request.param else BUILT_IN
    if "prepared" not in request.param:
        return folder
    path = tmp_path_factory.mktemp("memory") / "model.cloze"
    cloze.convert(folder, path)
    return path


def test_resident_memory(model_path: Path) -> None:
    weights, loaded, ran, freed, peak = map(int, finish(MEASURE, model_path).split())
    # Less than the smaller model's weights once more, so that a second copy of them is seen.
    slack = 12 * MEGABYTE if weights > 12 * MEGABYTE else 7.5 * MEGABYTE
    assert loaded < weights + slack
    # 32 x 120 tokens in chunks of 2,048, for both models.
    assert loaded + 5 * MEGABYTE < ran < loaded + 30 * MEGABYTE
    assert freed < 1.1 * loaded
    if model_path.is_dir():
        file = next(model_path.glob("model.onnx")).stat().st_size
        assert peak < 2 * file + 6 * MEGABYTE  # of which the tokenizer takes up to 6
    else:
        assert peak < weights + slack
