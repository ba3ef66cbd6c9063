"""Folders as sentence-transformers 2 to 6 writes them, against its own vectors: random models in each layout."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest

import cloze

torch = pytest.importorskip("torch", reason="torch is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")
sentence_transformers = pytest.importorskip(
    "sentence_transformers", reason="sentence-transformers is not installed", exc_type=ImportError)
modules = pytest.importorskip(
    "sentence_transformers.sentence_transformer.modules", reason="sentence-transformers is older than 6",
    exc_type=ImportError)

D = 32
WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] paris london is the capital of france a large city query passage : . , ##s ##e"
TEXTS = [
    "Paris is large.", "the capital of France", "", "a city, a large city of a large city", "LONDON: the cities",
    "is " * 90]
PROMPTS = {"query": "query: ", "passage": "the passage: ", "none": ""}
#: What an element may differ by. A path through the network has 2 layers of 6 products of at most 64 terms and some 8
#: functions, each result rounded to 2^-24, in both implementations: 2 * 2 (6 * 64 + 8) roundings, of which a random
#: walk adds the root, 40, each of at most 8 * 2^-24, as states reach 8 before they are normalized.
ERROR = 40 * 8 * 2.0**-24


def scaled(module: Any, seed: int) -> Any:
    """The module with random weights that keep it far from the identity."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in module.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            weight.copy_(1 + 0.1 * noise if name.endswith("orm.weight") else 0.3 * noise)
    return module


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT and its tokenizer, as transformers writes them."""
    folder = tmp_path_factory.mktemp("network")
    letters = [chr(letter) for letter in range(ord("a"), ord("z") + 1)]
    words = list(dict.fromkeys(WORDS.split() + letters + [f"##{letter}" for letter in letters]))
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    config = transformers.BertConfig(
        vocab_size=len(words), hidden_size=D, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=64)
    scaled(transformers.BertModel(config), 1).save_pretrained(folder)
    transformers.BertTokenizer.from_pretrained(str(folder), do_lower_case=True).save_pretrained(folder)
    return folder


Part = Callable[[], Any]
PARTS: dict[str, list[Part]] = {
    "mean": [lambda: modules.Pooling(D)],
    "cls": [lambda: modules.Pooling(D, pooling_mode="cls"), modules.Normalize],
    "max": [lambda: modules.Pooling(D, pooling_mode="max"), modules.Normalize],
    "weighted": [lambda: modules.Pooling(D, pooling_mode="weightedmean"), modules.Normalize],
    "root": [lambda: modules.Pooling(D, pooling_mode="mean_sqrt_len_tokens"), modules.Normalize],
    "last": [lambda: modules.Pooling(D, pooling_mode="lasttoken"), modules.Normalize],
    "tanh": [lambda: modules.Pooling(D), lambda: modules.Dense(D, 8), modules.Normalize],
    "wide": [
        lambda: modules.Pooling(D), lambda: modules.Dense(D, 150, activation_function=torch.nn.GELU()),
        lambda: modules.Dense(150, 5, bias=False, activation_function=torch.nn.Identity()), modules.Normalize],
    "relu": [lambda: modules.Pooling(D), lambda: modules.Dense(D, 16, activation_function=torch.nn.ReLU())],
    "silu": [lambda: modules.Pooling(D), lambda: modules.Dense(D, 16, activation_function=torch.nn.SiLU())],
    "norm": [lambda: modules.Pooling(D), lambda: modules.LayerNorm(D), modules.Normalize],
    "norm-dense-norm": [
        lambda: modules.Pooling(D, pooling_mode="cls"), lambda: modules.LayerNorm(D), lambda: modules.Dense(D, 12),
        lambda: modules.LayerNorm(12)],
    "normalize-first": [lambda: modules.Pooling(D), modules.Normalize, lambda: modules.Dense(D, 8)],
    "normalize-between": [
        lambda: modules.Pooling(D), lambda: modules.Dense(D, 20), modules.Normalize,
        lambda: modules.Dense(20, 8, activation_function=torch.nn.Identity()), modules.Normalize],
    "dropout": [lambda: modules.Pooling(D), lambda: modules.Dropout(0.5), lambda: modules.Dense(D, 8),
                lambda: modules.Dropout(0.1)],
}


def rewrite(folder: Path, name: str, change: Callable[[Any], Any]) -> None:
    file = folder / name
    file.write_text(json.dumps(change(json.loads(file.read_text()))))


def newest(folder: Path) -> None:
    """As version 6 writes it."""


def older_names(folder: Path) -> None:
    """Classes where versions 2 to 5.3 had them, poolings as keys, max_seq_length in its own file."""
    def renamed(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**one, "type": f"sentence_transformers.models.{one['type'].split('.')[-1]}"} for one in entries]

    def keys(pooling: dict[str, Any]) -> dict[str, Any]:
        names = {
            "cls": "cls_token", "max": "max_tokens", "mean": "mean_tokens", "weightedmean": "weightedmean_tokens",
            "mean_sqrt_len_tokens": "mean_sqrt_len_tokens", "lasttoken": "lasttoken"}
        mode = pooling["pooling_mode"]
        return {
            "word_embedding_dimension": pooling["embedding_dimension"],
            **{f"pooling_mode_{key}": word == mode for word, key in names.items()}, "include_prompt": True}

    rewrite(folder, "modules.json", renamed)
    rewrite(folder, "1_Pooling/config.json", keys)
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 20, "do_lower_case": false}')


def network_apart(folder: Path) -> None:
    """The same with the network in a folder of its own, as versions 0 and 1 had it, which later ones read."""
    older_names(folder)
    inner = folder / "0_Transformer"
    inner.mkdir()
    for file in list(folder.iterdir()):
        if file.is_file() and file.name not in ("modules.json", "config_sentence_transformers.json"):
            shutil.move(file, inner / file.name)
    rewrite(folder, "modules.json", lambda entries: [{**entries[0], "path": "0_Transformer"}, *entries[1:]])


def build(network: Path, folder: Path, parts: list[Part], **options: Any) -> Path:
    built = [scaled(part(), 2 + index) for index, part in enumerate(parts)]
    sentence_transformers.SentenceTransformer(
        modules=[modules.Transformer(str(network)), *built], device="cpu", **options
    ).save(str(folder), create_model_card=False)
    return folder


def reference(folder: Path) -> Any:
    return sentence_transformers.SentenceTransformer(str(folder), device="cpu")


@pytest.mark.parametrize("layout", [newest, older_names, network_apart], ids=lambda layout: layout.__name__)
@pytest.mark.parametrize("name", list(PARTS))
def test_vectors(network: Path, tmp_path: Path, name: str, layout: Callable[[Path], None]) -> None:
    folder = build(network, tmp_path / "model", PARTS[name])
    layout(folder)
    wanted = reference(folder).encode(TEXTS)
    model = cloze.load(folder, precision="float32", threads=2)
    assert model.info.embedding_size == wanted.shape[1]
    found = model.embed(TEXTS)
    assert np.abs(found - wanted).max() <= ERROR * max(1, np.abs(wanted).max())
    # Also in the forms that a model is written in.
    cloze.convert(folder, tmp_path / "model.cloze", precision="float32")
    assert np.array_equal(cloze.load(tmp_path / "model.cloze", threads=1).embed(TEXTS), found)
    (tmp_path / "onnx").mkdir()
    cloze.export(folder, tmp_path / "onnx" / "model.onnx")
    tokenizer = cloze.Tokenizer(folder / "0_Transformer" if layout is network_apart else folder)
    again = cloze.load(tmp_path / "onnx" / "model.onnx", precision="float32", threads=1, tokenizer=tokenizer)
    read = again.embed(TEXTS, max_tokens=model.info.max_tokens)
    # Once they are normalized, the mean and the mean by the root of the length are one function, read as the first.
    assert np.array_equal(read, found) if name != "root" else np.abs(read - found).max() <= ERROR


@pytest.mark.parametrize("mode", ["mean", "max", "cls", "weightedmean", "lasttoken", "mean_sqrt_len_tokens"])
@pytest.mark.parametrize("included", [True, False])
def test_prompts(network: Path, tmp_path: Path, mode: str, included: bool) -> None:
    parts = [lambda: modules.Pooling(D, pooling_mode=mode, include_prompt=included), modules.Normalize]
    folder = build(network, tmp_path / "model", parts, prompts=PROMPTS, default_prompt_name="query")
    theirs = reference(folder)
    mine = cloze.load(folder, precision="float32", threads=1)
    assert {name: text for name, text in mine.info.prompts.items() if name in PROMPTS} == PROMPTS
    assert mine.info.default_prompt == "query"
    for chosen in (None, "", "query", "passage", "none"):
        options = {} if chosen is None else {"prompt_name": chosen} if chosen else {"prompt": ""}
        wanted = theirs.encode(TEXTS, **options)
        assert np.abs(mine.embed(TEXTS, prompt=chosen) - wanted).max() <= ERROR, chosen


def test_truncated_dimensions(network: Path, tmp_path: Path) -> None:
    folder = build(network, tmp_path / "model", PARTS["cls"], truncate_dim=10)
    wanted = reference(folder).encode(TEXTS)
    model = cloze.load(folder, precision="float32", threads=1)
    assert wanted.shape == (len(TEXTS), 10) and np.abs(model.embed(TEXTS) - wanted).max() <= ERROR


def test_lower_case(network: Path, tmp_path: Path) -> None:
    """do_lower_case lowercases before a tokenizer that does not."""
    folder = build(network, tmp_path / "model", PARTS["mean"])
    older_names(folder)

    def cased(tokenizer: dict[str, Any]) -> dict[str, Any]:
        return {**tokenizer, "normalizer": {**tokenizer["normalizer"], "lowercase": False}}

    rewrite(folder, "tokenizer.json", cased)
    rewrite(folder, "tokenizer_config.json", lambda config: {**config, "do_lower_case": False})
    texts = ["Paris", "LONDON, café", "a City"]
    vectors = []
    for lowercase in (False, True):
        rewrite(folder, "sentence_bert_config.json", lambda config: {**config, "do_lower_case": lowercase})
        wanted = reference(folder).encode(texts)
        model = cloze.load(folder, precision="float32", threads=1)
        vectors.append(model.embed(texts))
        assert np.abs(vectors[-1] - wanted).max() <= ERROR * max(1, np.abs(wanted).max())
    assert not np.array_equal(*vectors)


@pytest.mark.parametrize("length", [9, 64, 10**30])
def test_length_of_the_tokenizer(network: Path, tmp_path: Path, length: int) -> None:
    folder = build(network, tmp_path / "model", PARTS["cls"])
    rewrite(folder, "tokenizer_config.json", lambda config: {**config, "model_max_length": length})
    theirs = reference(folder)
    model = cloze.load(folder, precision="float32", threads=1)
    assert model.info.max_tokens == theirs.max_seq_length == min(length, 64)
    assert np.abs(model.embed(TEXTS) - theirs.encode(TEXTS)).max() <= ERROR
