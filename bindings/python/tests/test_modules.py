"""Modules of sentence-transformers beside a model: layers after pooling, prompts and lengths, against NumPy."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import time
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest

import cloze
from conftest import BUILT_IN, TEXTS

D = 256
S = "sentence_transformers.models."
TORCH = "torch.nn.modules.activation."
IDENTITY = "torch.nn.modules.linear.Identity"
RANDOM = np.random.default_rng(7)
W = RANDOM.normal(0, 0.06, (1100, D)).astype(np.float32)
B = RANDOM.normal(0, 0.2, 1100).astype(np.float32)
V = RANDOM.normal(0, 0.03, (6, 1100)).astype(np.float32)
GAMMA, BETA = RANDOM.normal(1, 0.2, (2, D)).astype(np.float32)
FIRST = [("", S + "Transformer"), ("1_Pooling", S + "Pooling")]
PROMPTS = {"prompts": {"query": "query: ", "passage": "a passage of ", "none": None}, "default_prompt_name": "query"}


def safetensors(**tensors: np.ndarray) -> bytes:
    """A file of float32 tensors; `_` in a name is a dot."""
    header, data = {}, b""
    for name, values in tensors.items():
        header[name.replace("_", ".")] = {
            "dtype": "F32", "shape": values.shape, "data_offsets": [len(data), len(data) + values.nbytes]}
        data += np.ascontiguousarray(values).tobytes()
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def dense(inputs: int, outputs: int, activation: str = TORCH + "Tanh", **more: Any) -> dict[str, Any]:
    return {"in_features": inputs, "out_features": outputs, "bias": True, "activation_function": activation, **more}


def folder(path: Path, modules: list[tuple[str, str]], files: dict[str, Any], network: str = "") -> Path:
    """The built-in model in a folder with modules and other files."""
    (path / network).mkdir(parents=True, exist_ok=True)
    for name in ("model.onnx", "tokenizer.json", "config.json"):
        os.symlink(BUILT_IN / name, path / network / name)
    listed = [{"idx": i, "name": str(i), "path": place, "type": kind} for i, (place, kind) in enumerate(modules)]
    for name, content in {"modules.json": listed, "1_Pooling/config.json": {"pooling_mode": "mean"}, **files}.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def load(path: Path) -> cloze.Model:
    return cloze.load(path, precision="float32", threads=2)


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def norm(vectors: np.ndarray, gamma: np.ndarray, beta: np.ndarray) -> np.ndarray:
    centred = vectors - vectors.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * gamma + beta


def close(found: np.ndarray, wanted: np.ndarray) -> None:
    # Sums of at most 1,100 products and two layers after them, each rounded to 2^-24 of its largest term.
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= 4 * 1100 * 2.0**-24 * max(1, np.abs(wanted).max())


Case = tuple[list[tuple[str, str]], dict[str, Any], Callable[[np.ndarray], np.ndarray]]
CASES: dict[str, Case] = {
    "pooling": ([], {}, lambda x: x),
    "normalize": ([("2_Normalize", "sentence_transformers.base.modules.normalize.Normalize")], {}, unit),
    "tanh": (
        [("2_Dense", S + "Dense"), ("3_Normalize", S + "Normalize")],
        {"2_Dense/config.json": dense(D, 8),
         "2_Dense/model.safetensors": safetensors(linear_weight=W[:8], linear_bias=B[:8])},
        lambda x: unit(np.tanh(x @ W[:8].T + B[:8]))),
    "no-bias": (
        [("2_Dense", S + "Dense")],
        {"2_Dense/config.json": dense(D, 8, TORCH + "ReLU", bias=False),
         "2_Dense/model.safetensors": safetensors(linear_weight=W[:8])},
        lambda x: np.maximum(x @ W[:8].T, 0)),
    # Wider between its layers than any layer of the encoder, 1,024.
    "wide": (
        [("2_Dense_1100", S + "Dense"), ("out", "sentence_transformers.base.modules.dense.Dense")],
        {"2_Dense_1100/config.json": dense(D, 1100, module_input_name="sentence_embedding"),
         "2_Dense_1100/model.safetensors": safetensors(linear_weight=W, linear_bias=B),
         "out/config.json": dense(1100, 6, IDENTITY, bias=False),
         "out/model.safetensors": safetensors(linear_weight=V)},
        lambda x: np.tanh(x @ W.T + B) @ V.T),
    "norm": (
        [("2_LayerNorm", S + "LayerNorm"), ("3_Dropout", S + "Dropout"), ("4_Normalize", S + "Normalize")],
        {"2_LayerNorm/config.json": {"dimension": D},
         "2_LayerNorm/model.safetensors": safetensors(norm_weight=GAMMA, norm_bias=BETA)},
        lambda x: unit(norm(x, GAMMA, BETA))),
    "normalize-before-dense": (
        [("2_Normalize", S + "Normalize"), ("3_Dense", S + "Dense"), ("4_LayerNorm", S + "LayerNorm")],
        {"3_Dense/config.json": dense(D, 8),
         "3_Dense/model.safetensors": safetensors(linear_weight=W[:8], linear_bias=B[:8]),
         "4_LayerNorm/config.json": {"dimension": 8},
         "4_LayerNorm/model.safetensors": safetensors(norm_weight=GAMMA[:8], norm_bias=BETA[:8])},
        lambda x: norm(np.tanh(unit(x) @ W[:8].T + B[:8]), GAMMA[:8], BETA[:8])),
    "truncated": (
        [("2_Normalize", S + "Normalize")],
        {"config_sentence_transformers.json": {"truncate_dim": 10, "similarity_fn_name": "cosine"}},
        lambda x: unit(x)[:, :10]),
}


@pytest.mark.parametrize("name", list(CASES))
def test_layers_after_pooling(tmp_path: Path, name: str) -> None:
    modules, files, function = CASES[name]
    path = folder(tmp_path / "model", FIRST + modules, files)
    model = load(path)
    pooled = model.embed(TEXTS, pooling="mean", normalize=False)
    assert pooled.shape[1] == D
    wanted = function(pooled.astype(np.float64))
    found = model.embed(TEXTS)
    close(found, wanted)
    assert model.info.embedding_size == wanted.shape[1]
    close(model.embed(TEXTS, dimensions=4, normalize=True), unit(found[:, :4].astype(np.float64)))
    batch = [model.tokenize(text, max_tokens=model.info.max_tokens, truncation="longest_first") for text in TEXTS]
    ids = np.concatenate([one.ids for one in batch])
    types = np.concatenate([one.type_ids for one in batch])
    ends = np.cumsum([0] + [len(one) for one in batch])
    assert np.array_equal(model.run(ids, ends, types, output="embedding"), found)
    # The same bits from every form that a model is written in.
    cloze.convert(path, tmp_path / "model.cloze", precision="float32")
    prepared = cloze.load(tmp_path / "model.cloze", threads=1)
    assert np.array_equal(prepared.embed(TEXTS), found) and prepared.info.embedding_size == wanted.shape[1]
    for precision, target in [("float32", "a.onnx"), ("int8", "b.onnx")]:
        cloze.export(path, tmp_path / target, format=precision)
        read = cloze.load(tmp_path / target, precision=precision, threads=1, tokenizer=model.tokenizer)
        again = cloze.load(path, precision=precision, threads=1).embed(TEXTS)
        assert np.array_equal(read.embed(TEXTS, max_tokens=model.info.max_tokens), again), precision
    assert cloze.inspect(path)["embedding"] == cloze.inspect(tmp_path / "model.cloze")["embedding"]


def test_network_in_a_folder_of_its_own(tmp_path: Path) -> None:
    modules, files, function = CASES["tanh"]
    path = folder(
        tmp_path / "model", [("0_Transformer", S + "Transformer"), FIRST[1], *modules],
        {**files, "0_Transformer/sentence_bert_config.json": {"max_seq_length": 9}}, network="0_Transformer")
    model = load(path)
    assert model.info.max_tokens == 9
    close(model.embed(TEXTS), function(model.embed(TEXTS, pooling="mean", normalize=False).astype(np.float64)))
    os.unlink(path / "0_Transformer" / "model.onnx")
    with pytest.raises(cloze.Error, match="0_Transformer") as caught:
        load(path)
    assert caught.value.status == "not_found"


UNSUPPORTED = {
    "WeightedLayerPooling": ([("", S + "Transformer"), ("1_W", S + "WeightedLayerPooling"), FIRST[1]], {}),
    "CNN": ([("", S + "Transformer"), ("1_CNN", S + "CNN"), FIRST[1]], {}),
    "LSTM": ([("", S + "Transformer"), ("1_LSTM", S + "LSTM"), FIRST[1]], {}),
    "BoW": ([("", S + "BoW")], {}),
    "Router": ([("", "sentence_transformers.base.modules.router.Router")], {}),
    "CLIPModel": ([("0_CLIPModel", S + "CLIPModel")], {}),
    "WordEmbeddings": ([("0", S + "WordEmbeddings"), FIRST[1]], {}),
    "custom.Whitening": (FIRST + [("2", "custom.Whitening")], {}),
    "no Pooling": (FIRST[:1], {}),
    "before a Pooling": ([FIRST[0], ("1_Dense", S + "Dense"), FIRST[1]], {}),
    "pytorch_model.bin": (
        FIRST + [("2_Dense", S + "Dense")],
        {"2_Dense/config.json": dense(D, 8), "2_Dense/pytorch_model.bin": b"PK\3\4"}),
    "Sigmoid": (FIRST + [("2_Dense", S + "Dense")], {"2_Dense/config.json": dense(D, 8, TORCH + "Sigmoid")}),
    "my.own.Tanh": (FIRST + [("2_Dense", S + "Dense")], {"2_Dense/config.json": dense(D, 8, "my.own.Tanh")}),
    "use_residual": (FIRST + [("2_Dense", S + "Dense")], {"2_Dense/config.json": dense(D, 8, use_residual=True)}),
    "token_embeddings": (
        FIRST + [("2_Normalize", S + "Normalize")],
        {"2_Normalize/config.json": {"module_input_name": "token_embeddings"}}),
    "pooling_temperature": (FIRST, {"1_Pooling/config.json": {"pooling_mode": "mean", "pooling_temperature": 2}}),
    "CrossEncoder": (FIRST, {"config_sentence_transformers.json": {"model_type": "CrossEncoder"}}),
    "fill-mask": (FIRST, {"sentence_bert_config.json": {"transformer_task": "fill-mask"}}),
    "hidden_act": (FIRST, {"sentence_bert_config.json": {"config_args": {"hidden_act": "relu"}}}),
}


@pytest.mark.parametrize("word", list(UNSUPPORTED))
def test_what_is_not_supported_is_named(tmp_path: Path, word: str) -> None:
    modules, files = UNSUPPORTED[word]
    path = folder(tmp_path / "model", modules, files)
    model = load(path)
    with pytest.raises(cloze.Error, match=word) as caught:
        model.embed(["a"])
    assert caught.value.status == "unsupported_model" and "name a pooling" in str(caught.value)
    assert model.embed(["a"], pooling="mean").shape == (1, D)
    assert model.encode(["a"])[0].shape[1] == D
    assert word in cloze.inspect(path)["embedding"]["unsupported"]


CONTRADICTIONS = {
    "2_Dense takes vectors of 255 elements": (
        dense(255, 8), safetensors(linear_weight=W[:8, :255], linear_bias=B[:8])),
    r"shape \[8, 256\]": (dense(D, 8), safetensors(linear_weight=W[:9], linear_bias=B[:9])),
    "in_features is 0": (dense(0, 8), safetensors(linear_weight=W[:8], linear_bias=B[:8])),
    "linear.weight": (dense(D, 8), safetensors(linear_bias=B[:8])),
    "has no linear.bias": (dense(D, 8), safetensors(linear_weight=W[:8])),
    "has linear.bias": (dense(D, 8, bias=False), safetensors(linear_weight=W[:8], linear_bias=B[:8])),
    "not a safetensors file": (dense(D, 8), b"\0" * 5),
    "2_Dense has no model.safetensors": (dense(D, 8), None),
    "2_Dense has no config.json": (None, None),
    "no out_features": ({"in_features": D}, None),
}


@pytest.mark.parametrize("words", list(CONTRADICTIONS))
def test_contradicting_files(tmp_path: Path, words: str) -> None:
    config, weights = CONTRADICTIONS[words]
    files = {"2_Dense/config.json": config, "2_Dense/model.safetensors": weights}
    path = folder(
        tmp_path / "model", FIRST + [("2_Dense", S + "Dense")],
        {name: content for name, content in files.items() if content is not None})
    with pytest.raises(cloze.Error, match=words) as caught:
        load(path)
    assert caught.value.status == "invalid_model"


@pytest.mark.parametrize("name, content, words", [
    ("1_Pooling/config.json", {"word_embedding_dimension": 255}, "word_embedding_dimension is 255"),
    ("modules.json", [{"type": S + "Transformer", "path": "../other"}], "outside of the model's folder"),
    ("modules.json", [{"type": S + "Transformer", "path": "/etc"}], "outside of the model's folder"),
    ("modules.json", [{"path": ""}], "no type"),
    ("modules.json", {}, "an array was expected"),
    ("config_sentence_transformers.json", {"truncate_dim": 0}, "truncate_dim is 0"),
    ("config_sentence_transformers.json", {"prompts": [], "default_prompt_name": "x"}, "prompts"),
    ("config_sentence_transformers.json", {"prompts": {"a": "b"}, "default_prompt_name": "x"}, "default_prompt_name"),
    ("config_sentence_transformers.json", {"prompts": {"a": 3}}, "a string was expected"),
])
def test_broken_files(tmp_path: Path, name: str, content: Any, words: str) -> None:
    path = folder(tmp_path / "model", FIRST, {name: content})
    with pytest.raises(cloze.Error, match=words) as caught:
        load(path)
    assert caught.value.status == "invalid_model"


@pytest.mark.parametrize("pooling", ["mean", "max", "cls", "weightedmean", "lasttoken", "mean_sqrt_len_tokens"])
@pytest.mark.parametrize("included", [True, False])
def test_prompts(tmp_path: Path, pooling: str, included: bool) -> None:
    files = {
        "1_Pooling/config.json": {"pooling_mode": pooling, "include_prompt": included},
        "config_sentence_transformers.json": PROMPTS}
    path = folder(tmp_path / "model", FIRST, files)
    model = load(path)
    assert model.info.prompts == {"query": "query: ", "passage": "a passage of ", "none": ""}
    assert model.info.default_prompt == "query"

    def wanted(text: Any, prompt: str) -> np.ndarray:
        first = prompt + (text if isinstance(text, str) else text[0])
        states = model.encode([first if isinstance(text, str) else (first, text[1])])[0].astype(np.float64)
        skipped = 0 if included or not prompt else len(model.tokenize(prompt).ids) - 1
        numbers = np.arange(1, len(states) + 1)[skipped:]
        states = states[skipped:]
        return {
            "mean": lambda: states.mean(0), "max": lambda: states.max(0), "cls": lambda: states[0],
            "weightedmean": lambda: np.average(states, 0, numbers), "lasttoken": lambda: states[-1],
            "mean_sqrt_len_tokens": lambda: states.sum(0) / np.sqrt(len(states))}[pooling]()

    for chosen, text in [(None, "query: "), ("", ""), ("none", ""), ("query", "query: "), ("passage", "a passage of ")]:
        close(model.embed(TEXTS, prompt=chosen), np.stack([wanted(one, text) for one in TEXTS]))
    cloze.convert(path, tmp_path / "model.cloze", precision="float32")
    prepared = cloze.load(tmp_path / "model.cloze", threads=1)
    assert prepared.info.prompts == model.info.prompts
    assert np.array_equal(prepared.embed(TEXTS), model.embed(TEXTS))
    assert cloze.inspect(path)["embedding"]["prompts"] == model.info.prompts


def test_unknown_prompts(tmp_path: Path, model: cloze.Model) -> None:
    prompted = load(folder(tmp_path / "model", FIRST, {"config_sentence_transformers.json": PROMPTS}))
    with pytest.raises(ValueError, match="'query', 'passage', 'none'"):
        prompted.embed(["a"], prompt="other")
    with pytest.raises(ValueError, match="no prompts"):
        model.embed(["a"], prompt="query")
    with pytest.raises(TypeError, match="prompt is int"):
        model.embed(["a"], prompt=3)  # type: ignore[arg-type]
    assert model.info.prompts == {} and model.info.default_prompt is None
    assert np.array_equal(model.embed(["a"], prompt=""), model.embed(["a"]))


def test_a_prompt_longer_than_the_limit(tmp_path: Path) -> None:
    """The last token is pooled in any case."""
    files = {
        "1_Pooling/config.json": {"pooling_mode": "mean", "include_prompt": False},
        "config_sentence_transformers.json": {"prompts": {"long": "water " * 40}}}
    model = load(folder(tmp_path / "model", FIRST, files))
    vector, cut = model.embed(["fire"], prompt="long", max_tokens=8, return_truncated=True)
    states = model.encode(["water " * 40 + "fire"], max_tokens=8)[0]
    assert cut[0] and np.array_equal(vector[0], states[-1])


def test_prompts_of_the_command(tmp_path: Path) -> None:
    command = os.environ.get("CLOZE_COMMAND")
    if not command:
        pytest.skip("CLOZE_COMMAND is not set: the command is not built")
    path = folder(tmp_path / "model", FIRST, {"config_sentence_transformers.json": PROMPTS})
    vectors = {}
    for options in (["--prompt", "passage"], ["--no-prompt"], ["--prompt", "query"], []):
        done = subprocess.run([command, "embed", "--model", path, *options, "A text"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        vectors[" ".join(options)] = done.stdout
    assert vectors[""] == vectors["--prompt query"] and len(set(vectors.values())) == 3
    done = subprocess.run([command, "embed", "--model", path, "--prompt", "x", "a"], capture_output=True, text=True)
    assert done.returncode == 64 and '"query", "passage", "none"' in done.stderr
    done = subprocess.run(
        [command, "embed", "--model", path, "--no-prompt", "--prompt", "query", "a"], capture_output=True, text=True)
    assert done.returncode == 64
    lines = subprocess.run([command, "inspect", path], capture_output=True, text=True).stdout
    assert "mean pooling" in lines and 'query "query: " (the default)' in lines


def test_progress(model: cloze.Model) -> None:
    texts = ["The river flows through the north of the country and then into the sea."] * 4000
    calls: list[tuple[int, int]] = []
    begin = time.monotonic()
    found = model.embed(texts, progress=lambda done, total: calls.append((done, total)))
    seconds = time.monotonic() - begin
    assert calls[-1] == (len(texts), len(texts)) and calls == sorted(calls)
    assert all(total == len(texts) and 0 <= done <= total for done, total in calls)
    assert len(calls) <= 10 * seconds + 1
    assert np.array_equal(found[0], model.embed(texts[:1])[0])
    assert model.embed([], progress=lambda *numbers: calls.append(numbers)).shape[0] == 0 and calls[-1] == (0, 0)
    with pytest.raises(TypeError, match="progress is int"):
        model.embed(["a"], progress=3)  # type: ignore[arg-type]


def test_an_exception_in_progress_ends_the_call(model: cloze.Model) -> None:
    def stop(done: int, total: int) -> None:
        raise LookupError(f"{done} of {total}")

    begin = time.monotonic()
    with pytest.raises(LookupError, match="of 40000"):
        model.embed(["The river flows through the north of the country."] * 40000, progress=stop)
    assert time.monotonic() - begin < 30
    assert model.embed(["a"]).shape == (1, D)


@pytest.mark.parametrize("file, content, limit", [
    ("sentence_bert_config.json", {"max_seq_length": 12}, 12),
    ("sentence_bert_config.json", {"max_seq_length": None, "tokenizer_args": {"model_max_length": 13}}, 13),
    ("sentence_bert_config.json", {"processing_kwargs": {"text": {"max_length": 14, "truncation": True}}}, 14),
    ("sentence_roberta_config.json", {"max_seq_length": 15}, 15),
    ("tokenizer_config.json", {"model_max_length": 16}, 16),
    ("tokenizer_config.json", {"model_max_length": 1e30}, 256),
    ("tokenizer_config.json", {"model_max_length": 1_000_000_000}, 256),
])
def test_lengths(tmp_path: Path, file: str, content: Any, limit: int) -> None:
    assert load(folder(tmp_path / "model", FIRST, {file: content})).info.max_tokens == limit


def test_lower_case(tmp_path: Path) -> None:
    """Text is lowercased before a tokenizer that does not, which keeps accents."""
    words = "[PAD] [UNK] [CLS] [SEP] [MASK] paris PARIS café cafe".split()
    for lowercase, wanted in [(False, ["[UNK]", "PARIS", "[UNK]"]), (True, ["paris", "paris", "café"])]:
        path = folder(tmp_path / str(lowercase), FIRST, {
            "sentence_bert_config.json": {"do_lower_case": lowercase},
            "tokenizer_config.json": {"do_lower_case": False}, "vocab.txt": "\n".join(words).encode()})
        os.unlink(path / "tokenizer.json")
        assert load(path).tokenize("Paris PARIS Café").tokens[1:-1] == wanted
