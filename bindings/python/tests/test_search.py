"""Exact search: NumPy's order and scores, near duplicates, arguments."""

from __future__ import annotations

import re
import sqlite3
import threading
from pathlib import Path

import numpy as np
import pytest

import cloze
from conftest import ROOT, finish

PAGE = ROOT / "docs" / "SEARCH.md"


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    """Unit vectors around a few centres, the last ones equal to the first."""
    random = np.random.default_rng(1)
    rows = random.normal(size=(20, 96))[random.integers(0, 20, 5000)] + random.normal(size=(5000, 96)) * 0.7
    rows[4950:] = rows[:50]
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def queries(vectors: np.ndarray) -> np.ndarray:
    random = np.random.default_rng(2)
    rows = vectors[:100] + random.normal(size=(100, 96)) * 0.02
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def expected(vectors: np.ndarray, queries: np.ndarray, top_k: int) -> np.ndarray:
    """By NumPy in float64; no two different rows here are nearer than float32 tells apart, equal ones go by index."""
    scores = queries.astype(np.float64) @ vectors.astype(np.float64).T
    return np.argsort(-scores, axis=1, kind="stable")[:, :top_k]


@pytest.mark.parametrize("top_k", [1, 10, 333])
def test_order_and_scores_are_numpys(vectors: np.ndarray, queries: np.ndarray, top_k: int) -> None:
    indices, scores = cloze.search(vectors, queries, top_k=top_k)
    assert indices.shape == scores.shape == (100, top_k)
    assert indices.dtype == np.int64 and scores.dtype == np.float32
    exact = np.take_along_axis(queries.astype(np.float64) @ vectors.astype(np.float64).T, indices, axis=1)
    # 96 products in 16 lanes round 6 times, their tree 4 times, of at most |v| |q| = 1.
    tolerance = 10 * 2.0**-24 * 1.01
    assert np.abs(scores - exact).max() <= tolerance
    wanted = np.take_along_axis(
        queries.astype(np.float64) @ vectors.astype(np.float64).T, expected(vectors, queries, top_k), axis=1)
    assert np.abs(exact - wanted).max() <= 2 * tolerance
    assert (np.diff(scores, axis=1) <= 0).all()
    tied = np.diff(scores, axis=1) == 0
    assert tied.any() or top_k == 1
    assert (np.diff(indices, axis=1)[tied] > 0).all()


def test_an_index_finds_the_same(vectors: np.ndarray, queries: np.ndarray) -> None:
    wanted = cloze.search(vectors, queries, top_k=12, threads=1)
    for precision in ("int8", "float32"):
        for threads in (1, 2, 5):
            index = cloze.VectorIndex(vectors, precision=precision, threads=threads)
            assert len(index) == 5000 and index.shape == (5000, 96)
            for found, one in zip(index.search(queries, top_k=12), wanted):
                assert found.tobytes() == one.tobytes()
            alone = [index.search(query, top_k=12) for query in queries[:5]]
            assert b"".join(scores.tobytes() for _, scores in alone) == wanted[1][:5].tobytes()


def test_mapped_file(vectors: np.ndarray, queries: np.ndarray, tmp_path: Path) -> None:
    np.save(f"{tmp_path}/v.npy", vectors)
    mapped = np.load(f"{tmp_path}/v.npy", mmap_mode="r")
    for found, one in zip(cloze.search(mapped, queries), cloze.search(vectors, queries)):
        assert found.tobytes() == one.tobytes()


def test_embeddings_of_texts() -> None:
    model = cloze.load()
    texts = ["The river flows north.", "A cat sat on the mat.", "He was born in 1850."]
    indices, scores = cloze.search(model.embed(texts), model.embed(["the cat sat on a mat"]), top_k=3)
    assert indices[0, 0] == 1 and 0.9 < scores[0, 0] <= 1


def test_pairs(vectors: np.ndarray) -> None:
    part = np.concatenate([vectors[:700], vectors[4950:]])
    index = cloze.VectorIndex(part)
    for above in (0.6, 0.9, 2.0):
        pairs, scores = index.pairs(above)
        assert pairs.dtype == np.int64 and pairs.shape == (len(scores), 2) and scores.dtype == np.float32
        exact = part.astype(np.float64) @ part.astype(np.float64).T
        wanted = np.argwhere(np.triu(exact > above, 1))
        if (np.abs(exact - above) < 1e-6).any():
            assert abs(len(wanted) - len(pairs)) < 10
        else:
            assert pairs.tolist() == wanted.tolist()
    assert {(i, 700 + i) for i in range(50)} <= {(a, b) for a, b in index.pairs(0.99)[0].tolist()}


def test_threads_share_an_index(vectors: np.ndarray, queries: np.ndarray) -> None:
    index = cloze.VectorIndex(vectors, threads=2)
    wanted = index.search(queries)[0].tobytes()
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(index.search(queries)[0].tobytes())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [wanted] * 4


def test_no_queries(vectors: np.ndarray) -> None:
    indices, scores = cloze.search(vectors, np.empty((0, 96), np.float32), top_k=3)
    assert indices.shape == scores.shape == (0, 3)


@pytest.mark.parametrize("precision", ["int8", "float32"])
def test_refusals(vectors: np.ndarray, queries: np.ndarray, precision: str) -> None:
    def index(values: object) -> cloze.VectorIndex:
        return cloze.VectorIndex(values, precision=precision)  # type: ignore[arg-type]

    for wrong, message in [
        (vectors.astype(np.float64), "float64"), (vectors.astype(np.float16), "float16"), (vectors[0], r"\(96,\)"),
        (vectors[:, ::2], "C-contiguous"), (vectors[None], "1, 5000, 96"), ([[1.0]], "list"),
        (vectors.astype(">f4"), ">f4"), (vectors[:0], "no vectors"), (vectors[:, :0].copy(), "0 dimensions"),
    ]:
        with pytest.raises(cloze.ArgumentError, match=message):
            index(wrong)
    sound = index(vectors)
    for wrong, message in [
        (queries[:, :95].copy(), "D = 96"), (queries.astype(np.float64), "float64"), (queries.tolist(), "float64"),
        (np.float32(1), r"\(\)"),
    ]:
        with pytest.raises(cloze.ArgumentError, match=message):
            sound.search(wrong)
    for top_k in (0, -1, 5001, 2**40):
        with pytest.raises(cloze.ArgumentError, match="top_k"):
            sound.search(queries, top_k=top_k)
    for top_k in (1.5, "3", None, True):
        with pytest.raises(TypeError, match="top_k"):
            sound.search(queries, top_k=top_k)  # type: ignore[arg-type]
    for value in (np.nan, np.inf, -np.inf):
        bad = queries.copy()
        bad[7, 3] = value
        with pytest.raises(cloze.ArgumentError, match=r"queries\[7, 3\]"):
            sound.search(bad)
        bad = vectors.copy()
        bad[4321, 95] = value
        with pytest.raises(cloze.ArgumentError, match=r"vectors\[4321, 95\]"):
            index(bad).search(queries)
    with pytest.raises(cloze.ArgumentError, match="beyond float32"):
        index(vectors * np.float32(1e30)).search(vectors * np.float32(1e30))
    with pytest.raises(cloze.ArgumentError, match="threshold"):
        sound.pairs(float("nan"))
    with pytest.raises(cloze.ArgumentError, match="precision"):
        cloze.VectorIndex(vectors, precision="int4")
    with pytest.raises(cloze.ArgumentError, match="threads"):
        cloze.search(vectors, queries, threads=0)


# ---- docs/SEARCH.md

PROGRAMS = re.findall(r"^```python\n(.*?)^```\n\n```\n(.*?)^```\n", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def test_every_program_of_the_page_has_its_output() -> None:
    assert len(PROGRAMS) == PAGE.read_text().count("```python\n") == 5


@pytest.mark.parametrize("program, output", PROGRAMS, ids=["search", "index", "faiss", "usearch", "sqlite-vec"])
def test_program_of_the_page_prints_what_it_shows(
    program: str, output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in re.findall(r"^(?:import|from) (\w+)", program, re.MULTILINE):
        pytest.importorskip(name, reason=f"{name} is not installed")
    if "sqlite_vec" in program and not hasattr(sqlite3.Connection, "enable_load_extension"):
        pytest.skip("this Python's sqlite3 loads no extensions")
    monkeypatch.chdir(tmp_path)
    assert finish(program) == output
