"""Loading, info, inspect, and errors of invalid files."""

from __future__ import annotations

import copy
import dataclasses
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

import cloze
from conftest import BUILT_IN, finish

CONTENT = (BUILT_IN / "model.onnx").read_bytes()
INSTRUCTION_SETS = ("scalar", "avx2", "avxvnni", "avx512vnni", "avx512amx", "neondot", "neoni8mm")


def refused(status: str, *words: str, **keywords: object):
    """A context that expects a cloze.Error of this status with these words in it."""

    class Expected:
        def __enter__(self) -> None:
            self.raises = pytest.raises(cloze.Error)
            self.caught = self.raises.__enter__()

        def __exit__(self, *failure: object) -> bool:
            done = self.raises.__exit__(*failure)
            assert self.caught.value.status == status, str(self.caught.value)
            for word in words:
                assert word in str(self.caught.value)
            return bool(done)

    return Expected()


def test_info_of_the_built_in_model(model: cloze.Model) -> None:
    info = model.info
    assert (info.hidden_size, info.num_hidden_layers, info.num_attention_heads) == (256, 4, 4)
    assert (info.intermediate_size, info.vocab_size, info.type_vocab_size) == (1024, 16000, 2)
    assert info.max_position_embeddings == 256 and 0 < info.max_tokens <= 256
    assert info.precision == "int8" and info.isa in INSTRUCTION_SETS
    assert info.threads == 2
    assert isinstance(info.heads, frozenset) and {"mlm", "nsp"} <= info.heads <= {"pooler", "mlm", "nsp"}
    assert info.labels == ()
    assert info.pooling == "mean" and info.normalize is True and info.has_tokenizer is True
    # At least a byte a parameter, once: less than the 7.47 million in float32.
    assert 7_000_000 < info.weight_bytes < 30_000_000
    with pytest.raises(dataclasses.FrozenInstanceError):
        info.threads = 3


def test_float32_takes_more_memory(model: cloze.Model, float_model: cloze.Model) -> None:
    assert float_model.info.precision == "float32"
    assert float_model.info.weight_bytes > 2 * model.info.weight_bytes


def test_repr_says_what_it_is(model: cloze.Model) -> None:
    text = repr(model)
    for part in ("built in", "4 layers", "hidden 256", "mlm", "int8", "2 threads"):
        assert part in text


def test_path_forms_give_the_same_model(model: cloze.Model, tmp_path: Path) -> None:
    texts = ["a text", "台北"]
    wanted = model.embed(texts)
    os.makedirs(tmp_path / "folder" / "onnx")
    os.symlink(BUILT_IN / "model.onnx", tmp_path / "folder" / "onnx" / "model.onnx")
    for name in ("tokenizer.json", "tokenizer_config.json", "config.json"):
        os.symlink(BUILT_IN / name, tmp_path / "folder" / name)
    for path in (BUILT_IN, str(BUILT_IN), BUILT_IN / "model.onnx", tmp_path / "folder"):
        assert np.array_equal(cloze.load(path).embed(texts), wanted), path


def test_content_in_memory(model: cloze.Model) -> None:
    for data in (CONTENT, bytearray(CONTENT), memoryview(CONTENT)):
        loaded = cloze.load(data, tokenizer=BUILT_IN)
        assert np.array_equal(loaded.embed(["a text"]), model.embed(["a text"]))
        assert str(len(CONTENT)) in repr(loaded)


def test_a_tokenizer_of_ones_own(bare_model: cloze.Model, model: cloze.Model) -> None:
    assert bare_model.tokenizer is None and not bare_model.info.has_tokenizer
    for call in (
        lambda: bare_model.tokenize("a"), lambda: bare_model.embed(["a"]), lambda: bare_model.encode(["a"]),
        lambda: bare_model.mlm_logits(["a"]), lambda: bare_model.fill_mask("[MASK]"),
        lambda: bare_model.next_sentence([("a", "b")]),
    ):
        with refused("no_tokenizer"):
            call()
    for given in (cloze.Tokenizer(BUILT_IN), BUILT_IN / "vocab.txt", BUILT_IN / "tokenizer.json"):
        loaded = cloze.load(BUILT_IN / "model.onnx", tokenizer=given)
        assert np.array_equal(loaded.embed(["Café"]), model.embed(["Café"]))


def test_a_vocabulary_that_is_too_large_for_the_model() -> None:
    words = "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + [f"w{i}" for i in range(20_000)])
    try:
        loaded = cloze.load(tokenizer=words.encode())
    except cloze.Error as error:
        assert error.status in ("invalid_argument", "invalid_model")
    else:
        with pytest.raises(cloze.Error):
            loaded.embed(["w19999"])


@pytest.mark.parametrize("value, one", [
    ("1", True), (" 1,8", True), ("999", False), ("0", False), ("-1", False), ("1x", False), ("", False)])
def test_threads_that_the_environment_announces(value: str, one: bool) -> None:
    """A number counts, or the first of a list; it adds none to those that the machine has."""
    said = finish("import cloze\nprint(cloze.load().info.threads)", OMP_NUM_THREADS=value)
    assert int(said) == (1 if one else cloze.load().info.threads)


def test_threads(model: cloze.Model) -> None:
    assert cloze.load(threads=3).info.threads == 3
    assert 1 <= cloze.load().info.threads <= (os.cpu_count() or 1)
    for wrong in (0, -1, 10_000, 2**40):
        with refused("invalid_argument"):
            cloze.load(threads=wrong)
    for wrong in (1.5, "2", True):
        with pytest.raises(TypeError, match="threads"):
            cloze.load(threads=wrong)


def test_words_that_are_not_known() -> None:
    with pytest.raises(ValueError, match="precision is 'int4'; known are 'int8', 'float32'"):
        cloze.load(precision="int4")
    with pytest.raises(cloze.Error) as caught:
        cloze.load(isa="abacus")
    assert caught.value.status in ("invalid_argument", "unsupported_isa")
    with pytest.raises(TypeError, match="isa"):
        cloze.load(isa=1)


def test_a_forced_instruction_set(model: cloze.Model) -> None:
    texts = ["The first world war began in 1914.", "台北是台灣的首都", ""]
    ran = []
    for isa in INSTRUCTION_SETS:
        try:
            forced = cloze.load(isa=isa)
        except cloze.Error as error:
            assert error.status == "unsupported_isa" and isa in str(error)
            continue
        assert forced.info.isa == isa
        assert np.array_equal(forced.embed(texts), model.embed(texts)), isa
        ran.append(isa)
    assert "scalar" in ran and model.info.isa in ran


@pytest.mark.parametrize("wrong", [3, 1.5, ["a"], object()])
def test_what_is_no_path(wrong: object) -> None:
    with pytest.raises(TypeError, match="path"):
        cloze.load(wrong)
    with pytest.raises(TypeError, match="path"):
        cloze.Tokenizer(wrong)
    with pytest.raises(TypeError, match="path"):
        cloze.inspect(wrong)


def test_missing_files(tmp_path: Path) -> None:
    with refused("not_found", "absent.onnx"):
        cloze.load(tmp_path / "absent.onnx")
    with refused("not_found", "model.onnx"):
        cloze.load(tmp_path)
    with refused("invalid_argument", "empty"):
        cloze.load("")
    with refused("not_found"):
        cloze.inspect(tmp_path / "absent.onnx")
    with refused("not_found"):
        cloze.Tokenizer(tmp_path / "vocab.txt")
    with pytest.raises(ValueError, match="NUL"):
        cloze.load("a\0b")


@pytest.mark.parametrize("size", [0, 1, 100, 5_000, len(CONTENT) // 2, len(CONTENT) - 1])
def test_cut_files(size: int, tmp_path: Path) -> None:
    path = tmp_path / "cut.onnx"
    path.write_bytes(CONTENT[:size])
    for source in (path, CONTENT[:size]):
        with pytest.raises(cloze.Error) as caught:
            cloze.load(source)
        assert caught.value.status in ("invalid_model", "unsupported_model"), str(caught.value)


def test_random_bytes(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    for size in (10, 1_000, 100_000):
        with pytest.raises(cloze.Error) as caught:
            cloze.load(random.bytes(size))
        assert caught.value.status in ("invalid_model", "unsupported_model")
    with pytest.raises(cloze.Error):
        cloze.load(BUILT_IN / "vocab.txt")


def test_flipped_bytes_never_end_the_program() -> None:
    random = np.random.default_rng(2)
    for _ in range(20):
        data = bytearray(CONTENT)
        for place in random.integers(0, 20_000, 8):
            data[place] ^= 1 << int(random.integers(8))
        try:
            cloze.load(data, tokenizer=BUILT_IN).embed(["a text"])
        except cloze.Error as error:
            assert error.status != "internal", str(error)


def test_inspect(tmp_path: Path) -> None:
    found = cloze.inspect(BUILT_IN)
    assert isinstance(found, dict) and "refused" not in found
    assert cloze.inspect(BUILT_IN / "model.onnx").keys() == found.keys()
    assert "256" in str(found) and "16000" in str(found)
    assert isinstance(cloze.inspect(), dict)


def test_inspect_of_a_graph_that_is_no_bert(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed: it makes the graph")
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Add", ["x", "x"], ["y"], name="the_sum")], "sum",
        [value("x", onnx.TensorProto.FLOAT, [2])], [value("y", onnx.TensorProto.FLOAT, [2])])
    path = tmp_path / "sum.onnx"
    path.write_bytes(onnx.helper.make_model(graph).SerializeToString())
    found = cloze.inspect(path)["refused"]
    assert {"node", "place", "expected", "message"} <= found.keys()
    with refused("unsupported_model"):
        cloze.load(path)


def test_a_model_is_pickled_by_its_path(tmp_path: Path) -> None:
    os.symlink(BUILT_IN / "model.onnx", tmp_path / "model.onnx")
    loaded = cloze.load(tmp_path / "model.onnx", precision="float32", threads=1)
    ids, bounds = np.array([2, 100, 200, 3], np.int32), np.array([0, 4], np.int32)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(loaded, protocol))
        assert again is not loaded and again.info == loaded.info
        assert np.array_equal(again.run(ids, bounds), loaded.run(ids, bounds))
    assert len(pickle.dumps(loaded)) < 1000


def test_a_copy_of_a_model_is_the_model(model: cloze.Model) -> None:
    assert copy.copy(model) is model and copy.deepcopy([model])[0] is model


def test_what_came_from_memory_is_not_pickled(model: cloze.Model) -> None:
    from_bytes = cloze.load((BUILT_IN / "model.onnx").read_bytes())
    with_tokenizer = cloze.load(tokenizer=model.tokenizer)
    for thing in (from_bytes, with_tokenizer):
        with pytest.raises(TypeError, match="cannot be pickled.*load it by its path"):
            pickle.dumps(thing)


def test_no_copies_of_a_tokenizer_and_no_models_by_hand(model: cloze.Model) -> None:
    for take in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="neither pickled nor copied"):
            take(model.tokenizer)
    with pytest.raises(TypeError, match="cloze.load"):
        cloze.Model()
