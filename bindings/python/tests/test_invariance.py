"""A text's results are bit-identical in any batch and on any number of threads."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import cloze
from conftest import TEXTS

WORDS = ["water", "the", "city", "北", "京", "was", "built", "in", "1850", ",", "river", "an", "old", "and", "new"]


def many(count: int, seed: int) -> list[str]:
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(WORDS, random.integers(0, 90))) for _ in range(count)]


@pytest.fixture(scope="module", params=["int8", "float32"])
def models(request: pytest.FixtureRequest) -> list[cloze.Model]:
    """The built-in model on 1 to 4 threads."""
    return [cloze.load(precision=request.param, threads=threads) for threads in (1, 2, 3, 4)]


def test_alone_and_in_every_company(models: list[cloze.Model]) -> None:
    texts = TEXTS + many(60, 1)
    alone = np.concatenate([models[0].embed([text]) for text in texts])
    random = np.random.default_rng(2)
    for model in models:
        assert np.array_equal(model.embed(texts), alone)
        order = random.permutation(len(texts))
        assert np.array_equal(model.embed([texts[index] for index in order]), alone[order])
        begin = 0
        for size in itertools.cycle((1, 2, 3, 5, 8, 13)):
            if begin >= len(texts):
                break
            assert np.array_equal(model.embed(texts[begin : begin + size]), alone[begin : begin + size])
            begin += size


def test_every_layer_and_head(models: list[cloze.Model]) -> None:
    texts = TEXTS[:5]
    first = models[0]
    layers = range(first.info.num_hidden_layers + 1)
    encoded = [first.encode([text], layer=layers)[0] for text in texts]
    logits = [first.mlm_logits([text])[0] for text in texts]
    pairs = [("one", "two"), ("He was born.", "In London."), ("", "")]
    following = np.concatenate([first.next_sentence([pair]) for pair in pairs])
    for model in models:
        assert all(map(np.array_equal, model.encode(texts, layer=layers), encoded))
        assert all(map(np.array_equal, model.mlm_logits(texts), logits))
        assert np.array_equal(model.next_sentence(pairs), following)


def test_two_batches_end_to_end(models: list[cloze.Model]) -> None:
    random = np.random.default_rng(3)
    lengths = random.integers(1, 60, 11)
    ids = random.integers(5, 16000, lengths.sum())
    bounds = np.concatenate(([0], np.cumsum(lengths)))
    for model in models:
        whole = model.run(ids, bounds)
        for cut in (1, 4, 10):
            at = bounds[cut]
            parts = model.run(ids[:at], bounds[: cut + 1]), model.run(ids[at:], bounds[cut:] - at)
            assert np.array_equal(np.concatenate(parts), whole)


def test_loading_twice_gives_the_same(models: list[cloze.Model]) -> None:
    again = cloze.load(precision=models[0].info.precision)
    assert np.array_equal(again.embed(TEXTS), models[0].embed(TEXTS))
