"""Ray Data: the same bits as one process, whatever happens to workers."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cloze
from conftest import ROOT

ray = pytest.importorskip("ray", reason="ray is not installed")
pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
pytest.importorskip("ray.data", reason="ray[data] is not installed")

WORDS = "the a river city song 台北 大学 album flows north won party lake deep of in".split()


def texts(count: int, seed: int = 1) -> list[str]:
    """Most are short, some long."""
    some = random.Random(seed)
    return [" ".join(some.choices(WORDS, k=some.choice([2, 5, 9, 30, 200]))) for _ in range(count)]


@pytest.fixture(scope="module", autouse=True)
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    cache = tmp_path_factory.mktemp("cache")
    os.environ["CLOZE_CACHE"] = str(cache)
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield cache
    ray.shutdown()
    del os.environ["CLOZE_CACHE"]


def stacked(rows: list[dict[str, Any]], name: str = "embedding") -> np.ndarray:
    return np.stack([row[name] for row in sorted(rows, key=lambda row: row["id"])])


@pytest.mark.parametrize("concurrency, batch_size", [(1, 7), (2, 16), (2, 1000)])
def test_the_same_bits(model: cloze.Model, concurrency: int, batch_size: int) -> None:
    import cloze.ray

    given = texts(100)
    dataset = ray.data.from_arrow(pa.table({"id": range(100), "text": given}))
    found = cloze.ray.embed(dataset, concurrency=concurrency, batch_size=batch_size).take_all()
    assert np.array_equal(stacked(found), model.embed(given))


def test_columns_and_options(model: cloze.Model, cluster: Path) -> None:
    import cloze.ray

    table = pa.table({"id": range(4), "body": ["a", None, "b " * 400, "d"], "title": ["x", "y", "z", None]})
    embedder = cloze.ray.Embedder(text="body", output="v", truncated="cut", dimensions=16, dtype="binary")
    found = embedder(table)
    assert found.column_names == ["id", "body", "title", "v", "cut"]
    assert found["v"].type == pa.list_(pa.int8(), 2) and found["v"].null_count == 1
    assert found["cut"].to_pylist() == [False, None, True, False]
    vectors = model.embed(["a", "b " * 400, "d"], dimensions=16, dtype="binary")
    assert [row for row in found["v"].to_pylist() if row is not None] == vectors.tolist()
    pairs = cloze.ray.Embedder(text=("title", "body"))(table)["embedding"].to_pylist()
    assert pairs[1] is None and pairs[3] is None
    assert np.array_equal(np.float32([pairs[0], pairs[2]]), model.embed([("x", "a"), ("z", "b " * 400)]))
    empty = cloze.ray.Embedder(text="body")(table[:0])
    assert empty["embedding"].type == pa.list_(pa.float32(), 256) and empty.num_rows == 0
    # Made once, and mapped by all.
    assert len(list(cluster.glob("*.cloze"))) == 1


def test_refused(tmp_path: Path) -> None:
    import cloze.ray

    table = pa.table({"id": [1], "text": ["a"]})
    with pytest.raises(KeyError, match="no column 'body'; there are 'id', 'text'"):
        cloze.ray.embed(ray.data.from_arrow(table), text="body")
    with pytest.raises(TypeError, match="'id' is int64"):
        cloze.ray.embed(ray.data.from_arrow(table), text="id")
    with pytest.raises(cloze.Error, match=r"on \S+: .*nowhere"):
        cloze.ray.Embedder(tmp_path / "nowhere")
    with pytest.raises(cloze.ArgumentError, match="two columns"):
        cloze.ray.Embedder(task="rerank")
    with pytest.raises(cloze.ArgumentError, match="task is 'sum'"):
        cloze.ray.Embedder(task="sum")


# ---- Folders of Parquet files


def write(folder: Path, files: int, rows: int) -> list[str]:
    import pyarrow.parquet as parquet

    folder.mkdir()
    given = texts(files * rows)
    for i in range(files):
        part = range(i * rows, (i + 1) * rows)
        parquet.write_table(pa.table({"id": part, "text": given[i * rows:(i + 1) * rows]}), folder / f"{i}.parquet")
    return given


def command(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "cloze.ray", *map(str, arguments)], text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, start_new_session=True, **options)


def finished(*arguments: object) -> tuple[int, str, str]:
    program = command(*arguments)
    output, errors = program.communicate(timeout=300)
    return program.returncode, output, errors


def read(folder: Path) -> np.ndarray:
    import pyarrow.parquet as parquet

    rows = [row for path in folder.glob("*.parquet") for row in parquet.read_table(path).to_pylist()]
    ids = sorted(row["id"] for row in rows)
    assert ids == list(range(len(ids)))
    return np.float32(stacked(rows))


def test_a_folder_killed_and_resumed(tmp_path: Path, model: cloze.Model) -> None:
    given = write(tmp_path / "in", 8, 60)
    some = random.Random(5)
    for _ in range(2):
        program = command(tmp_path / "in", tmp_path / "out", "--id", "id")
        time.sleep(some.uniform(3, 9))
        os.killpg(program.pid, signal.SIGKILL)
        program.communicate()
    code, output, errors = finished(tmp_path / "in", tmp_path / "out", "--id", "id")
    assert code == 0, errors
    assert "rows in" in output or "0 rows" in output
    assert np.array_equal(read(tmp_path / "out"), model.embed(given))
    assert not list((tmp_path / "out").glob(".*.partial"))
    code, output, errors = finished(tmp_path / "in", tmp_path / "out", "--id", "id")
    assert code == 0 and output.startswith("0 rows") and "8 of 8 files are complete" in errors


def test_what_a_folder_is_refused_for(tmp_path: Path) -> None:
    write(tmp_path / "in", 1, 2)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("")
    for arguments, said in [
        (["nowhere", "out"], "there is no such folder"),
        (["other", "out"], "no .parquet files"),
        (["in", "other"], "is not empty"),
        (["in", "in"], "folder of the input"),
        (["in", "out", "--text", "body"], "0.parquet: there is no column 'body'; there are 'id', 'text'"),
        (["in", "out", "--text", "id"], "'id' is int64"),
        (["in", "out", "--id", "key"], "no column 'key'"),
        (["in", "out", "--output", "text"], "there is a column 'text' already"),
        (["in", "out", "--model", "nowhere"], "nowhere: there is no such file"),
    ]:
        paths = [tmp_path / word for word in arguments[:2]]
        code, output, errors = finished(*paths, *arguments[2:])
        assert (code, output) == (1, "") and said in errors, errors
    assert finished(tmp_path / "in", tmp_path / "out")[0] == 0
    code, _, errors = finished(tmp_path / "in", tmp_path / "out", "--dimensions", "8")
    assert code == 1 and "begun with other options: dimensions was None, is 8" in errors


def test_workers_that_die(tmp_path: Path, model: cloze.Model) -> None:
    """Workers are killed while files are under way."""
    given = write(tmp_path / "in", 6, 400)
    program = command(tmp_path / "in", tmp_path / "out", "--id", "id")
    killed = 0
    deadline = time.monotonic() + 60
    while program.poll() is None and killed < 2 and time.monotonic() < deadline:
        time.sleep(1)
        found = subprocess.run(
            ["pgrep", "-f", "ray::FileEmbedder.file"], text=True, capture_output=True)
        for number in found.stdout.split()[:1]:
            os.kill(int(number), signal.SIGKILL)
            killed += 1
    _, errors = program.communicate(timeout=300)
    assert program.returncode == 0 and killed == 2, errors
    assert not list((tmp_path / "out").glob(".*.partial"))
    assert np.array_equal(read(tmp_path / "out"), model.embed(given))
