"""run and run_padded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cloze
from conftest import TEXTS

INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", ">i4", ">u8"]


def padded(batch: tuple, *, left: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The ragged batch as (B, S) arrays, with random valid ids as padding."""
    ids, cu_seqlens, types = batch
    lengths = np.diff(cu_seqlens)
    size = (len(lengths), int(lengths.max()) + 3)
    out, mask, kinds = np.full(size, 7), np.zeros(size, int), np.ones(size, int)
    for row, (begin, length) in enumerate(zip(cu_seqlens, lengths)):
        place = slice(size[1] - length, None) if left else slice(0, length)
        out[row, place] = ids[begin : begin + length]
        kinds[row, place] = types[begin : begin + length]
        mask[row, place] = 1
    return out, mask, kinds


def test_hidden_is_what_encode_gives(model: cloze.Model, batch: Any) -> None:
    found = model.run(*batch)
    assert found.shape == (len(batch[0]), 256) and found.dtype == np.float32
    assert np.array_equal(found, np.concatenate(model.encode(TEXTS)))
    every = model.run(*batch, layer=(0, 2, -1))
    assert every.shape == (len(batch[0]), 3, 256)
    assert np.array_equal(every[:, 2], found) and np.array_equal(every[:, 1], model.run(*batch, layer=2))


def test_every_output(model: cloze.Model, batch: Any) -> None:
    assert np.array_equal(model.run(*batch, output="embedding"), model.embed(TEXTS))
    assert np.array_equal(model.run(*batch, output="mlm"), np.concatenate(model.mlm_logits(TEXTS)))
    assert model.run(*batch, output="nsp").shape == (len(TEXTS), 2)
    if "pooler" in model.info.heads:
        assert model.run(*batch, output="pooler").shape == (len(TEXTS), 256)


def test_positions(model: cloze.Model, batch: Any) -> None:
    chosen = [5, 0, len(batch[0]) - 1, 5]
    for output in ("hidden", "mlm"):
        whole = model.run(*batch, output=output)
        for kind in (np.int64, np.int32, np.uint8 if len(batch[0]) < 256 else np.uint16):
            found = model.run(*batch, output=output, positions=np.array(chosen, kind))
            assert np.array_equal(found, whole[chosen]), output
    assert model.run(*batch, layer=[0, 1], positions=chosen).shape == (4, 2, 256)
    with pytest.raises(cloze.Error, match="position") as caught:
        model.run(*batch, output="mlm", positions=[])
    assert caught.value.status == "invalid_argument"
    for wrong in (-1, len(batch[0])):
        with pytest.raises(cloze.Error, match=str(wrong)) as caught:
            model.run(*batch, positions=[0, wrong])
        assert caught.value.status == "invalid_argument"
    with pytest.raises(ValueError, match=r"positions\[1\] is 18446744073709551615"):
        model.run(*batch, positions=np.array([0, 2**64 - 1], np.uint64))
    for wrong in ([0.5], [[1]], [True]):
        with pytest.raises(ValueError, match=r"positions is .*; integers of shape \(P,\) are needed"):
            model.run(*batch, positions=wrong)
    with pytest.raises(ValueError, match="positions go with"):
        model.run(*batch, output="nsp", positions=[0])
    with pytest.raises(ValueError, match="layer"):
        model.run(*batch, output="mlm", layer=0)
    with pytest.raises(ValueError, match="output is 'logits'; known are 'hidden'"):
        model.run(*batch, output="logits")


@pytest.mark.parametrize("kind", INTEGERS)
def test_integer_types(model: cloze.Model, kind: str) -> None:
    ids, cu_seqlens, types = [2, 100, 101, 3, 2, 99, 3], [0, 4, 7], [0, 0, 1, 1, 0, 0, 0]
    arrays = [np.array(part, kind) for part in (ids, cu_seqlens, types)]
    wanted = model.run(np.array(ids, np.int32), np.array(cu_seqlens), np.array(types, np.int32))
    assert np.array_equal(model.run(*arrays), wanted)
    assert np.array_equal(model.run(arrays[0], cu_seqlens, np.array(types, np.int64)), wanted)
    assert np.array_equal(model.run(ids, arrays[1], types), wanted)
    shape = (1, 4)
    rows = [np.array(part[:4], kind).reshape(shape) for part in (ids, [1] * 4, types)]
    assert np.array_equal(model.run_padded(*rows)[0], wanted[:4])


def test_int32_is_read_in_place(model: cloze.Model, batch: Any) -> None:
    from cloze._arrays import integers

    array = np.arange(6, dtype=np.int32)
    assert integers("x", array, "(T,)") is array
    assert integers("x", array[2:], "(T,)").base is array
    ids = np.array(batch[0], np.int32)
    ids.flags.writeable = False
    assert np.array_equal(model.run(ids, *batch[1:]), model.run(*batch))


def test_values_out_of_range(model: cloze.Model) -> None:
    for kind, wrong in ((np.int32, 16000), (np.int32, -1), (np.int64, 2**40), (np.uint64, 2**64 - 1), (np.int8, -5)):
        with pytest.raises(cloze.Error, match=rf"3\].*{wrong}|{wrong}.*3\]") as caught:
            model.run(np.array([2, 5, 6, wrong, 3], kind), [0, 5])
        assert caught.value.status == "invalid_argument"
        with pytest.raises(cloze.Error):
            model.run_padded(np.array([[2, 5, 6, wrong, 3]], kind), None)
    for wrong in (2, -1):
        with pytest.raises(cloze.Error, match=str(wrong)):
            model.run([2, 5, 3], [0, 3], [0, wrong, 0])
    # With types of two widths the wider is narrowed here, and must not wrap around.
    with pytest.raises(ValueError, match=r"token_type_ids\[1\] is 4294967296"):
        model.run(np.array([2, 5, 3], np.int32), [0, 3], np.array([0, 2**32, 0]))


def test_cu_seqlens_that_are_wrong(model: cloze.Model) -> None:
    ids = np.arange(5, 15, dtype=np.int32)
    for wrong in ([0, 4, 4, 10], [0, 6, 4, 10], [1, 10], [-1, 10], [0, 12, 10], [0, 0, 10]):
        with pytest.raises(cloze.Error) as caught:
            model.run(ids, wrong)
        assert caught.value.status == "invalid_argument" and "cu_seqlens" in str(caught.value)
    with pytest.raises(cloze.Error, match=f"sequence 0 has {2**62} tokens") as caught:
        model.run(ids, [0, 2**62, 10])
    assert caught.value.status == "too_long"
    for wrong in ([0, 9], [0, 11], [0], [10, 0]):
        with pytest.raises(ValueError, match="cu_seqlens ends with .* 10 tokens"):
            model.run(ids, wrong)
    with pytest.raises(ValueError, match="cu_seqlens is empty"):
        model.run(ids, [])
    with pytest.raises(ValueError, match=r"cu_seqlens is float64 of shape \(2,\)"):
        model.run(ids, [0.0, 10.0])


def test_empty_batches(model: cloze.Model) -> None:
    with pytest.raises(cloze.Error) as caught:
        model.run([], [0])
    assert caught.value.status == "invalid_argument"
    for shape in ((0, 4), (3, 0), (0, 0)):
        with pytest.raises(cloze.Error) as caught:
            model.run_padded(np.zeros(shape, np.int32), None)
        assert caught.value.status == "invalid_argument"


def test_sequences_that_are_too_long(model: cloze.Model) -> None:
    limit = model.info.max_position_embeddings
    assert model.run(np.full(limit, 9), [0, limit]).shape == (limit, 256)
    with pytest.raises(cloze.Error) as caught:
        model.run(np.full(limit + 6, 9), [0, 5, limit + 6])
    assert caught.value.status == "too_long" and str(limit) in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (np.zeros(4), r"input_ids is float64 of shape \(4,\); integers of shape \(T,\) are needed"),
        (np.zeros(4, bool), r"input_ids is bool of shape \(4,\)"),
        (np.zeros((2, 2), np.int32), r"input_ids is int32 of shape \(2, 2\)"),
        (np.int32(4), r"input_ids is int32 of shape \(\)"),
        (np.zeros(8, np.int32)[::2], r"int32 of shape \(4,\) with strides \(8,\); it must be C-contiguous"),
        (np.zeros(8, np.int64)[::-2], "C-contiguous"),
        (np.array(["a"]), "input_ids is <U1"),
        (np.array([None]), "input_ids is object"),
        (np.zeros(4, "m8[s]"), "input_ids is timedelta64"),
    ],
)
def test_arrays_that_are_wrong(model: cloze.Model, wrong: np.ndarray, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        model.run(wrong, [0, 4])


def test_shapes_that_do_not_fit_together(model: cloze.Model) -> None:
    with pytest.raises(ValueError, match=r"token_type_ids is int64 of shape \(3,\).*\(T,\) = \(4,\)"):
        model.run([2, 5, 5, 3], [0, 4], [0, 0, 0])
    ids = np.full((2, 4), 5)
    with pytest.raises(ValueError, match=r"attention_mask is int64 of shape \(2, 3\).*\(B, S\) = \(2, 4\)"):
        model.run_padded(ids, np.ones((2, 3), int))
    with pytest.raises(ValueError, match="attention_mask is bool"):
        model.run_padded(ids, np.ones((2, 4), bool))
    with pytest.raises(ValueError, match="attention_mask is float32"):
        model.run_padded(ids, np.ones((2, 4), np.float32))
    with pytest.raises(ValueError, match=r"input_ids is int64 of shape \(4,\); integers of shape \(B, S\)"):
        model.run_padded(ids[0], None)
    with pytest.raises(ValueError, match="C-contiguous"):
        model.run_padded(ids.T, None)


def test_out(model: cloze.Model, batch: Any) -> None:
    out = np.full((len(batch[0]), 256), np.nan, np.float32)
    assert model.run(*batch, out=out) is out and np.array_equal(out, model.run(*batch))
    for shape in ((len(batch[0]), 255), (256, len(batch[0])), (len(batch[0]) * 256,)):
        with pytest.raises(ValueError, match=r"out is float32 of shape"):
            model.run(*batch, out=np.zeros(shape, np.float32))
    with pytest.raises(ValueError, match=r"\(B, 2\) = \(9, 2\)"):
        model.run(*batch, output="nsp", out=out)


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("output", ["hidden", "mlm", "embedding", "nsp"])
def test_padded_is_ragged_with_zeros(model: cloze.Model, batch: Any, output: str, left: bool) -> None:
    ids, mask, types = padded(batch, left=left)
    found = model.run_padded(ids, mask, types, output=output)
    wanted = model.run(*batch, output=output)
    if output in ("hidden", "mlm"):
        assert found.shape == (*ids.shape, wanted.shape[-1])
        assert np.array_equal(found[mask == 1], wanted)
        assert not found[mask == 0].any()
    else:
        assert np.array_equal(found, wanted)


def test_padded_with_gaps_and_layers(model: cloze.Model) -> None:
    ids = np.array([[2, 7, 100, 7, 101, 3, 7, 7]])
    mask = np.array([[1, 0, 1, 0, 1, 1, 0, 0]])
    found = model.run_padded(ids, mask, layer=[0, 4])
    wanted = model.run([2, 100, 101, 3], [0, 4], layer=[0, 4])
    assert found.shape == (1, 8, 2, 256) and np.array_equal(found[mask == 1], wanted)
    at = model.run_padded(ids, mask, positions=[4])
    assert np.array_equal(at, wanted[2:3, 1])


def test_masks_that_are_wrong(model: cloze.Model) -> None:
    ids = np.full((2, 4), 5)
    empty = np.array([[1, 1, 1, 1], [0, 0, 0, 0]])
    with pytest.raises(cloze.Error) as caught:
        model.run_padded(ids, empty)
    assert caught.value.status == "invalid_argument"
    for wrong in (2, -1, -10000):
        mask = np.ones((2, 4), np.int32)
        mask[1, 2] = wrong
        with pytest.raises(cloze.Error, match=str(wrong)):
            model.run_padded(ids, mask)


def test_without_a_mask_everything_is_a_token(model: cloze.Model) -> None:
    ids = np.array([[2, 5, 6, 3], [2, 8, 9, 3]])
    assert np.array_equal(model.run_padded(ids, None), model.run_padded(ids, np.ones_like(ids)))


def test_a_model_without_tokenizer_runs_ids(bare_model: cloze.Model, model: cloze.Model, batch: Any) -> None:
    assert np.array_equal(bare_model.run(*batch), model.run(*batch))


def test_heads_that_are_not_there(minilm: Any) -> None:
    model = cloze.load(minilm)
    assert "mlm" not in model.info.heads
    with pytest.raises(cloze.Error, match="pooler" if "pooler" in model.info.heads else "none|no head") as caught:
        model.run([101, 102], [0, 2], output="mlm")
    assert caught.value.status == "no_head"
    for call in (lambda: model.mlm_logits(["a"]), lambda: model.fill_mask("[MASK]"),
                 lambda: model.next_sentence([("a", "b")])):
        with pytest.raises(cloze.Error) as caught:
            call()
        assert caught.value.status == "no_head"
