"""embed, encode, mlm_logits, fill_mask and next_sentence."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import cloze
from conftest import ROOT, TEXTS


def pooled(model: cloze.Model, how: str) -> np.ndarray:
    """Embeddings before normalization, pooled in NumPy from the hidden states of encode."""
    vectors = [part.astype(np.float64) for part in model.encode(TEXTS)]
    return np.stack([
        {
            "mean": lambda x: x.mean(0), "cls": lambda x: x[0], "max": lambda x: x.max(0),
            "mean_sqrt_len": lambda x: x.sum(0) / np.sqrt(len(x)), "last_token": lambda x: x[-1],
            "weighted_mean": lambda x: np.average(x, 0, np.arange(1, len(x) + 1)),
        }[how](part) for part in vectors])


def normalized(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def close(mine: np.ndarray, wanted: np.ndarray) -> None:
    # float32 against float64 sums over 256 dimensions and 256 tokens: 512 roundings of 2^-24 at most.
    assert np.abs(mine - wanted).max() <= 512 * 2.0**-24 * np.abs(wanted).max()


@pytest.mark.parametrize("how", ["mean", "cls", "max", "mean_sqrt_len", "last_token", "weighted_mean"])
def test_pooling(model: cloze.Model, how: str) -> None:
    wanted = pooled(model, how)
    close(model.embed(TEXTS, pooling=how, normalize=False), wanted)
    close(model.embed(TEXTS, pooling=how, normalize=True), normalized(wanted))
    close(model.embed(TEXTS, pooling=how, dimensions=10, normalize=True), normalized(wanted[:, :10]))
    close(model.embed(TEXTS, pooling=how, dimensions=1, normalize=False), wanted[:, :1])


def test_embed_by_default(model: cloze.Model) -> None:
    found = model.embed(TEXTS)
    assert found.shape == (len(TEXTS), 256) and found.dtype == np.float32
    close(found, normalized(pooled(model, "mean")))


def test_pooler(model: cloze.Model) -> None:
    if "pooler" not in model.info.heads:
        with pytest.raises(cloze.Error) as caught:
            model.embed(["a"], pooling="pooler")
        assert caught.value.status == "no_head"
    else:
        encodings = [model.tokenize(text) for text in TEXTS[:3]]
        ids = np.concatenate([one.ids for one in encodings])
        cu_seqlens = np.cumsum([0] + [len(one) for one in encodings])
        wanted = model.run(ids, cu_seqlens, output="pooler")
        assert np.array_equal(model.embed(TEXTS[:3], pooling="pooler", normalize=False), wanted)
        assert np.abs(wanted).max() <= 1


@pytest.mark.parametrize("name, width", [("sentence-dense", 9), ("sentence-wide", 33)])
def test_dense_layer_after_pooling(tmp_path: Path, name: str, width: int) -> None:
    """Embeddings narrower and wider than the hidden state, 20."""
    os.symlink(ROOT / "Tests" / "Fixtures" / "onnx" / f"{name}.onnx", tmp_path / "model.onnx")
    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b"]))
    model = cloze.load(tmp_path, threads=2)
    texts = ["a b", "b", "a a a"]
    assert model.info.embedding_size == width
    found = model.embed(texts)
    assert found.shape == (3, width)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=width * 2.0**-23)
    encodings = [model.tokenize(text) for text in texts]
    ids = np.concatenate([one.ids for one in encodings])
    cu_seqlens = np.cumsum([0] + [len(one) for one in encodings])
    assert np.array_equal(found, model.run(ids, cu_seqlens, output="embedding"))
    assert model.embed(texts, pooling="mean").shape == (3, 20)
    assert model.embed(texts, dimensions=width - 1).shape == (3, width - 1)
    with pytest.raises(cloze.ArgumentError):
        model.embed(texts, dimensions=width + 1)


def test_an_empty_list(model: cloze.Model) -> None:
    assert model.embed([]).shape == (0, 256) and model.embed([]).dtype == np.float32
    assert model.embed(iter(()), dimensions=7).shape == (0, 7)
    vectors, truncated = model.embed([], return_truncated=True)
    assert truncated.shape == (0,) and truncated.dtype == bool
    assert model.encode([]) == [] and model.mlm_logits([]) == []
    assert model.next_sentence([]).shape == (0,)
    with pytest.raises(ValueError, match="pooling"):
        model.embed([], pooling="average")


def test_any_iterable_of_texts(model: cloze.Model) -> None:
    wanted = model.embed(["a text", "another"])
    for texts in (("a text", "another"), iter(["a text", "another"]), np.array(["a text", "another"])):
        assert np.array_equal(model.embed(texts), wanted)
    assert np.array_equal(model.embed([["a", "b"]]), model.embed([("a", "b")]))
    assert not np.array_equal(model.embed([("a", "b")]), model.embed([("b", "a")]))


def test_embeddings_in_fewer_bits(model: cloze.Model) -> None:
    """As sentence-transformers' quantize_embeddings, written out here."""
    floats = model.embed(TEXTS, dimensions=250)
    ranges = np.stack([floats.min(axis=0), floats.max(axis=0)])
    levels = np.clip(np.floor((floats - ranges[0]) / ((ranges[1] - ranges[0]) / np.float32(255))), 0, 255)
    bits = np.packbits(floats > 0, axis=1).astype(int)
    wanted = {
        "float32": floats, "float16": floats.astype(np.float16), "int8": (levels - 128).astype(np.int8),
        "uint8": levels.astype(np.uint8), "binary": (bits - 128).astype(np.int8), "ubinary": bits.astype(np.uint8)}
    for dtype, values in wanted.items():
        found = model.embed(TEXTS, dimensions=250, dtype=dtype)
        assert found.dtype == values.dtype and np.array_equal(found, values), dtype
        assert np.array_equal(cloze.quantize(floats, dtype), values)
        assert model.embed([], dimensions=250, dtype=dtype).shape == (0, values.shape[1])
    one, cut = model.embed(TEXTS[:1], dimensions=250, dtype="int8", ranges=ranges, return_truncated=True)
    assert np.array_equal(one, wanted["int8"][:1]) and cut.tolist() == [False]
    outside = cloze.quantize(np.array([[-9.0, 9.0, 3.0]]), "uint8", np.array([[0.0, 0.0, 3.0], [1.0, 1.0, 3.0]]))
    assert outside.tolist() == [[0, 255, 0]]


def test_fewer_bits_refused(model: cloze.Model) -> None:
    ranges = np.zeros((2, 256), np.float32)
    for options, said in [
        ({"dtype": "int4"}, "dtype is 'int4'; known are 'float32'"),
        ({"dtype": "int8"}, "ranges of at least two texts"),
        ({"dtype": "int8", "ranges": ranges[:, :9].copy()}, r"\(2, 9\); .* \(2, 256\)"),
        ({"dtype": "int8", "ranges": ranges - [[0.0], [1.0]]}, r"ranges\[:, 0\] is 0.0 to -1.0"),
        ({"dtype": "binary", "ranges": ranges}, "has none"),
        ({"dtype": "int8", "ranges": ranges, "out": np.zeros((1, 256), np.float32)}, "out is given"),
    ]:
        with pytest.raises(cloze.ArgumentError, match=said):
            model.embed(["a text"], **options)  # type: ignore[call-overload]
    with pytest.raises(cloze.ArgumentError, match="list"):
        cloze.quantize([[1.0]], "int8")  # type: ignore[arg-type]
    with pytest.raises(cloze.ArgumentError, match="int8 of shape"):
        cloze.quantize(np.zeros((2, 2), np.int8), "int8")


def test_out(model: cloze.Model) -> None:
    wanted = model.embed(TEXTS)
    out = np.full((len(TEXTS), 256), np.nan, np.float32)
    assert model.embed(TEXTS, out=out) is out and np.array_equal(out, wanted)
    whole = np.full((len(TEXTS) + 2, 256), 7, np.float32)
    model.embed(TEXTS, out=whole[1:-1])
    assert np.array_equal(whole[1:-1], wanted) and (whole[[0, -1]] == 7).all()
    right = (len(TEXTS), 256)
    read_only = np.zeros(right, np.float32)
    read_only.flags.writeable = False
    for wrong, words in (
        (np.zeros(right, np.float64), "out is float64 of shape"),
        (np.zeros(right, ">f4"), "out is >f4 of shape"),
        (np.zeros((len(TEXTS), 255), np.float32), r"shape \(9, 255\); .* \(B, E\) = \(9, 256\)"),
        (np.zeros((256, len(TEXTS)), np.float32).T, "strides"),
        (np.zeros((len(TEXTS), 512), np.float32)[:, ::2], "strides"),
        (read_only, "read-only"),
        ([0.0], "out is list"),
    ):
        with pytest.raises(ValueError, match=words):
            model.embed(TEXTS, out=wrong)


def test_text_that_is_cut_is_reported(model: cloze.Model) -> None:
    texts = ["short", "water " * 400, ("water " * 200, "fire " * 200)]
    vectors, truncated = model.embed(texts, return_truncated=True)
    assert truncated.dtype == bool and truncated.tolist() == [False, True, True]
    limit = model.info.max_tokens
    parts, truncated = model.encode(texts, return_truncated=True)
    assert truncated.tolist() == [False, True, True] and len(parts[1]) == len(parts[2]) == limit
    logits, truncated = model.mlm_logits(texts, max_tokens=8, return_truncated=True)
    assert [len(one) for one in logits] == [3, 8, 8] and truncated.tolist() == [False, True, True]
    _, truncated = model.next_sentence([("a", "b"), texts[2]], return_truncated=True)
    assert truncated.tolist() == [False, True]
    _, truncated = model.fill_mask("[MASK] " + "water " * 400, return_truncated=True)
    assert truncated is True
    with pytest.raises(cloze.Error) as caught:
        model.embed(texts, truncation="error")
    assert caught.value.status == "too_long"
    assert np.array_equal(
        model.embed(["one two three"], max_tokens=4), model.embed(["one two"], truncation="error"))
    with pytest.raises(cloze.Error) as caught:
        model.embed(["a"], max_tokens=model.info.max_position_embeddings + 1)
    assert caught.value.status in ("too_long", "invalid_argument")


def test_encode(model: cloze.Model) -> None:
    parts = model.encode(TEXTS)
    assert [part.shape for part in parts] == [(len(model.tokenize(text)), 256) for text in TEXTS]
    assert all(part.dtype == np.float32 for part in parts)
    every = model.encode(TEXTS, layer=range(5))
    assert every[0].shape == (len(parts[0]), 5, 256)
    for layer in range(-1, 5):
        one = model.encode(TEXTS, layer=layer)
        assert all(np.array_equal(a, b[:, layer]) for a, b in zip(one, every))
    assert all(np.array_equal(a, b[:, -1]) for a, b in zip(parts, every))
    assert np.array_equal(model.encode(["a"], layer=[3, 0])[0], model.encode(["a"], layer=[0, 3])[0][:, ::-1])
    # The embedding sum has gone through LayerNorm without the text around it: [CLS] is the same everywhere.
    assert np.array_equal(every[0][0, 0], every[2][0, 0])
    assert np.array_equal(model.encode(["a"], layer=range(-5, 0))[0], model.encode(["a"], layer=range(5))[0])
    for wrong in (5, -6, 2**31 - 1, -(2**31) + 1):
        with pytest.raises(cloze.Error) as caught:
            model.encode(["a"], layer=wrong)
        assert caught.value.status == "invalid_argument"
    for wrong in ([], 2**40):
        with pytest.raises(ValueError, match="layer"):
            model.encode(["a"], layer=wrong)
    with pytest.raises(TypeError, match="layer"):
        model.encode(["a"], layer=1.0)


def test_mlm_logits(model: cloze.Model) -> None:
    found = model.mlm_logits(TEXTS[:4])
    assert [one.shape for one in found] == [(len(model.tokenize(text)), 16000) for text in TEXTS[:4]]
    alone = model.mlm_logits([TEXTS[0]])[0]
    assert np.array_equal(found[0], alone)


def test_fill_mask_of_a_list(model: cloze.Model) -> None:
    texts = ["The first world [MASK].", ("A", "[MASK] and [MASK]"), "台[MASK]大学"]
    found, truncated = model.fill_mask(texts, top_k=2, return_truncated=True)
    assert found == [model.fill_mask(text, top_k=2) for text in texts] and truncated.tolist() == [False] * 3
    assert model.fill_mask([]) == []
    with pytest.raises(cloze.Error, match=r"text 1|no \[MASK\]"):
        model.fill_mask(["[MASK]", "none"])
    with pytest.raises(TypeError, match=r"text\[1\] is int"):
        model.fill_mask(["[MASK]", 3])  # type: ignore[list-item]


def test_fill_mask(float_model: cloze.Model) -> None:
    (found,) = float_model.fill_mask("The first world [MASK] began in 1914 .")
    assert len(found) == 5 and found[0][0] == "war" and 0.6 < found[0][2] < 0.7
    assert [type(part) for part in found[0]] == [str, int, float]
    assert float_model.tokenizer.token(found[0][1]) == "war"
    (found,) = float_model.fill_mask("台[MASK]大学", top_k=4)
    assert [token for token, _, _ in found] == ["北", "南", "湾", "灣"]


def test_probabilities_are_the_softmax_of_the_logits(model: cloze.Model) -> None:
    text = "The [MASK] world [MASK] began in 1914."
    lists = model.fill_mask(text, top_k=20)
    encoding = model.tokenize(text)
    logits = model.mlm_logits([text])[0].astype(np.float64)
    places = [place for place, token in enumerate(encoding.tokens) if token == "[MASK]"]
    assert len(lists) == len(places) == 2
    for place, found in zip(places, lists):
        share = np.exp(logits[place] - logits[place].max())
        share /= share.sum()
        assert [id for _, id, _ in found] == np.argsort(-share, kind="stable")[:20].tolist()
        for _, id, probability in found:
            assert abs(probability - share[id]) <= 1e-5 * share[id]


def test_targets(model: cloze.Model) -> None:
    text = "The first world [MASK] began in 1914."
    (every,) = model.fill_mask(text, top_k=16000)
    assert len(every) == 16000 and abs(sum(p for _, _, p in every) - 1) < 1e-4
    known = {token: p for token, _, p in every}
    (found,) = model.fill_mask(text, targets=["city", "war", "war", "peace"])
    assert [token for token, _, _ in found] == sorted(["city", "war", "peace"], key=lambda t: -known[t])
    assert all(p == known[token] for token, _, p in found)
    assert model.fill_mask(text, targets=iter(["war"]), top_k=3)[0][0][0] == "war"
    (by_id,) = model.fill_mask(text, targets=[np.int64(found[0][1])])
    assert by_id == found[:1]
    for wrong, said in (
        ("War", '"War" is not in the vocabulary; it has "war"'), (" war", '; it has "war"'),
        ("no such", 'as one token; its pieces are "no", "such"'), ("台北", 'its pieces are "台", "北"'),
        ("", "is not in the vocabulary"), ("\0", "is not in the vocabulary"), ("\ud800", "is not in the vocabulary"),
    ):
        with pytest.raises(ValueError, match=said):
            model.fill_mask(text, targets=["war", wrong])
    for wrong in (-1, 16000, 2**31, 2**70):
        with pytest.raises(ValueError):
            model.fill_mask(text, targets=[wrong])
    with pytest.raises(ValueError, match="empty"):
        model.fill_mask(text, targets=[])
    for wrong in ("war", 5, [1.5], [None]):
        with pytest.raises(TypeError, match="target"):
            model.fill_mask(text, targets=wrong)


def test_masks_in_a_pair(model: cloze.Model) -> None:
    lists = model.fill_mask(("The first world [MASK].", "It began in [MASK]."), top_k=2)
    assert [len(one) for one in lists] == [2, 2]


def test_fill_mask_without_a_mask(model: cloze.Model) -> None:
    for text in ("no mask", "", "[mask]", "[MASK", ("a", "b")):
        with pytest.raises(cloze.Error, match="MASK") as caught:
            model.fill_mask(text)
        assert caught.value.status == "invalid_text"
    with pytest.raises(cloze.Error) as caught:
        model.fill_mask("water " * 400 + "[MASK]")
    assert caught.value.status == "invalid_text"
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="top_k"):
            model.fill_mask("[MASK]", top_k=wrong)


def test_next_sentence(float_model: cloze.Model) -> None:
    first = "He was born in London in 1850."
    found = float_model.next_sentence([
        (first, "His father was a doctor there."), (first, "The enzyme catalyses the reaction of hydrogen.")])
    assert found.dtype == np.float32
    assert abs(found[0] - 0.993) < 0.01 and abs(found[1] - 0.089) < 0.02
    encoding = float_model.tokenize(first, "His father was a doctor there.")
    logits = float_model.run(encoding.ids, [0, len(encoding)], encoding.type_ids, output="nsp").astype(np.float64)[0]
    assert abs(found[0] - 1 / (1 + np.exp(logits[1] - logits[0]))) < 1e-6


def test_next_sentence_wants_pairs(model: cloze.Model) -> None:
    with pytest.raises(ValueError, match=r"pairs\[1\] is a single text"):
        model.next_sentence([("a", "b"), "c"])
    for wrong in ("ab", None, 3):
        with pytest.raises(TypeError, match="pairs"):
            model.next_sentence(wrong)


@pytest.mark.parametrize("method", ["embed", "encode", "mlm_logits"])
def test_what_is_no_list_of_texts(model: cloze.Model, method: str) -> None:
    call = getattr(model, method)
    with pytest.raises(TypeError, match="pass a list of texts"):
        call("a text")
    with pytest.raises(TypeError, match="pass a list of texts"):
        call(3)
    for wrong in (3, b"bytes", None, ("a",), ("a", "b", "c"), ("a", None), {"a": 1}):
        with pytest.raises(TypeError, match=r"texts\[1\]"):
            call(["fine", wrong])
    with pytest.raises(ValueError, match=r"texts\[2\] has the lone surrogate U\+D800 at position 1") as caught:
        call(["fine", "fine", "x\ud800"])
    assert caught.value.status == "invalid_text"
    with pytest.raises(ValueError, match=r"texts\[0\]\[1\]"):
        call([("fine", "\udfff")])
    with pytest.raises(ValueError, match="truncation is None"):
        call(["a"], truncation=None)
    for wrong in (0, -1, 2**31):
        with pytest.raises(ValueError, match="max_tokens"):
            call(["a"], max_tokens=wrong)


def test_options_of_embed(model: cloze.Model) -> None:
    for wrong in (0, 257, -1):
        with pytest.raises(ValueError, match="dimensions"):
            model.embed(["a"], dimensions=wrong)
    with pytest.raises(ValueError, match="pooling is 'sum'; known are 'mean', 'cls'"):
        model.embed(["a"], pooling="sum")
    with pytest.raises(TypeError, match="normalize"):
        model.embed(["a"], normalize=2)


def test_text_with_nul_inside(model: cloze.Model) -> None:
    # BERT's clean_text drops it; what follows is still read.
    assert np.array_equal(model.embed(["a\0 b"]), model.embed(["a b"]))


def test_many_texts(model: cloze.Model) -> None:
    texts = [f"number {index}" for index in range(3000)]
    found = model.embed(texts)
    assert np.array_equal(found[[0, 1500, 2999]], model.embed([texts[0], texts[1500], texts[2999]]))


@pytest.mark.parametrize("texts", [{"a": 1, "b": 2}, {"a", "b"}, frozenset("ab")])
def test_what_has_no_order_is_no_list_of_texts(model: cloze.Model, texts: object) -> None:
    with pytest.raises(TypeError, match=f"texts is {type(texts).__name__}; pass a list of texts"):
        model.embed(texts)
    with pytest.raises(TypeError, match="pass a list of pairs"):
        model.next_sentence(texts)
