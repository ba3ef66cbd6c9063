"""Tokenizers and encodings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import cloze
from conftest import BUILT_IN, TEXTS

VOCABULARY = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nun\n##aff\n##able\nhello\nworld\n,\ncafe\ncafé\nHello\n京\n".encode()


@pytest.fixture(scope="module")
def small() -> cloze.Tokenizer:
    return cloze.Tokenizer(VOCABULARY)


def test_an_encoding(small: cloze.Tokenizer) -> None:
    found = small.encode("Unaffable, hello  WORLD")
    assert found.tokens == ["[CLS]", "un", "##aff", "##able", ",", "hello", "world", "[SEP]"]
    assert found.ids.tolist() == [2, 5, 6, 7, 10, 8, 9, 3] and found.ids.dtype == np.int32
    assert found.type_ids.tolist() == [0] * 8 and found.type_ids.dtype == np.int32
    assert found.offsets.tolist() == [
        [0, 0], [0, 2], [2, 5], [5, 9], [9, 10], [11, 16], [18, 23], [0, 0]]
    assert found.truncated is False and len(found) == 8


def test_offsets_count_characters(small: cloze.Tokenizer) -> None:
    text = "\U0001F600 Café, 京hello"
    found = small.encode(text)
    assert [text[begin:end] for begin, end in found.offsets] == ["", "\U0001F600", "Café", ",", "京", "hello", ""]
    assert found.tokens[1] == "[UNK]" and found.tokens[2] == "cafe"


def test_offsets_of_a_pair_are_each_in_its_own_text(small: cloze.Tokenizer) -> None:
    first, second = "京京 hello", "é world"
    for found in (small.encode(first, second), small.encode((first, second))):
        texts = (first, second)
        parts = [texts[kind][begin:end] for kind, (begin, end) in zip(found.type_ids, found.offsets)]
        assert parts == ["", "京", "京", "hello", "", "é", "world", ""]
        assert found.type_ids.tolist() == [0, 0, 0, 0, 0, 1, 1, 1]


def test_offsets_of_a_pair_with_one_type() -> None:
    """As RoBERTa's: types are 0 in both texts, and the offsets of each are in its own."""
    sequence = [{"Sequence": {"id": name, "type_id": 0}} for name in "AB"]
    definition = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
        "normalizer": None, "pre_tokenizer": {"type": "Whitespace"}, "decoder": None,
        "post_processor": {
            "type": "TemplateProcessing", "single": sequence[:1],
            "pair": [sequence[0], {"SpecialToken": {"id": "[SEP]", "type_id": 0}}, sequence[1]],
            "special_tokens": {"[SEP]": {"id": "[SEP]", "ids": [0], "tokens": ["[SEP]"]}},
        },
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": {"[SEP]": 0, "[UNK]": 1, "é": 2, "ende": 3, "über": 4},
        },
    }
    texts = ("é", "über é ende")
    found = cloze.Tokenizer(json.dumps(definition).encode()).encode(*texts)
    assert found.type_ids.tolist() == [0] * 5 and found.sequence_ids.tolist() == [0, -1, 1, 1, 1]
    pieces = [texts[which][begin:end] for which, (begin, end) in zip(found.sequence_ids, found.offsets) if which >= 0]
    assert pieces == ["é", "über", "é", "ende"]


def test_empty_texts(small: cloze.Tokenizer) -> None:
    assert small.encode("").tokens == ["[CLS]", "[SEP]"]
    assert small.encode("", "").tokens == ["[CLS]", "[SEP]", "[SEP]"]
    assert small.encode("a\0b").tokens[0] == "[CLS]"


def test_options() -> None:
    assert cloze.Tokenizer(VOCABULARY, lowercase=False).encode("Hello").tokens[1] == "Hello"
    assert cloze.Tokenizer(VOCABULARY).encode("Hello").tokens[1] == "hello"
    assert cloze.Tokenizer(VOCABULARY, strip_accents=False).encode("café").tokens[1] == "café"
    assert cloze.Tokenizer(VOCABULARY, lowercase=False, strip_accents=True).encode("café").tokens[1] == "cafe"
    with pytest.raises(TypeError, match="lowercase"):
        cloze.Tokenizer(VOCABULARY, lowercase="yes")


def test_truncation(small: cloze.Tokenizer) -> None:
    text = "hello world hello world"
    with pytest.raises(cloze.Error) as caught:
        small.encode(text, max_tokens=5)
    assert caught.value.status == "too_long"
    cut = small.encode(text, max_tokens=5, truncation="longest_first")
    assert cut.tokens == ["[CLS]", "hello", "world", "hello", "[SEP]"] and cut.truncated is True
    assert small.encode(text, max_tokens=6).truncated is False
    pair = ("hello hello hello", "world world")
    assert small.encode(pair, max_tokens=6, truncation="only_first").tokens[1:3] == ["hello", "[SEP]"]
    assert small.encode(pair, max_tokens=7, truncation="only_second").tokens[-2:] == ["world", "[SEP]"]
    with pytest.raises(ValueError, match="truncation is 'middle'"):
        small.encode(text, max_tokens=5, truncation="middle")
    for wrong in (0, -3):
        with pytest.raises(ValueError, match="max_tokens"):
            small.encode(text, max_tokens=wrong)
    for wrong in ("5", 5.0, True):
        with pytest.raises(TypeError, match="max_tokens"):
            small.encode(text, max_tokens=wrong)


def test_a_model_cuts_at_its_own_limit_where_it_may(model: cloze.Model) -> None:
    text = "water " * 400
    assert len(model.tokenize(text)) == 402
    cut = model.tokenize(text, truncation="longest_first")
    assert len(cut) == model.info.max_tokens and cut.truncated


def test_tokens_and_ids(small: cloze.Tokenizer) -> None:
    assert small.vocab_size == len(small) == 15
    assert [small.token(id) for id in (0, 6, 14)] == ["[PAD]", "##aff", "京"]
    assert [small.token(id) for id in (-1, 15, 2**31, -(2**40))] == [None] * 4
    assert [small.id(token) for token in ("[MASK]", "京", "##able")] == [4, 14, 7]
    assert [small.id(token) for token in ("able", "", "hello\0", "\ud800", "hello ")] == [None] * 5
    assert small.id(small.token(np.int64(9))) == 9
    with pytest.raises(TypeError):
        small.id(4)
    with pytest.raises(TypeError):
        small.token("[MASK]")
    assert "15" in repr(small)


@pytest.mark.parametrize("wrong", [None, 3, b"bytes", ["a", "b"], ("a",), ("a", 1), ("a", "b", "c")])
def test_what_is_no_text(small: cloze.Tokenizer, wrong: object) -> None:
    with pytest.raises(TypeError, match="text"):
        small.encode(wrong)


def test_a_pair_given_twice(small: cloze.Tokenizer) -> None:
    with pytest.raises(TypeError, match="text"):
        small.encode(("a", "b"), "c")


def test_lone_surrogates(small: cloze.Tokenizer) -> None:
    for call in (lambda: small.encode("ab\udc80c"), lambda: small.encode("a", "ab\udc80c")):
        with pytest.raises(ValueError, match=r"U\+DC80 at position 2") as caught:
            call()
        assert caught.value.status == "invalid_text"


def test_long_text(small: cloze.Tokenizer) -> None:
    words = 300_000  # 1.8 MB: counted first, and tokenized on a thread of its own
    found = small.encode("hello " * words)
    assert len(found) == words + 2 and found.ids[1] == found.ids[-2] == 8
    assert found.offsets[-2].tolist() == [6 * (words - 1), 6 * words - 1]


def test_files(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_bytes(VOCABULARY)
    texts = ["hello", "Unaffable"]
    wanted = [cloze.Tokenizer(VOCABULARY).encode(text).tokens for text in texts]
    for path in (tmp_path, tmp_path / "vocab.txt", str(tmp_path)):
        assert [cloze.Tokenizer(path).encode(text).tokens for text in texts] == wanted
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": False}))
    assert cloze.Tokenizer(tmp_path).encode("Hello").tokens[1] == "Hello"
    assert cloze.Tokenizer(tmp_path, lowercase=True).encode("Hello").tokens[1] == "hello"


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"{", b'{"model": 3}', b"\0" * 100, b"one\ntwo\n"])
def test_files_that_are_no_vocabulary(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(cloze.Error) as caught:
        cloze.Tokenizer(tmp_path / "tokenizer.json")
    assert caught.value.status not in ("internal", "not_found")
    with pytest.raises(cloze.Error):
        cloze.Tokenizer(content)


def test_the_models_own_tokenizer(model: cloze.Model) -> None:
    apart = cloze.Tokenizer(BUILT_IN)
    for text in TEXTS:
        one, other = model.tokenize(text), apart.encode(text)
        assert one.tokens == other.tokens and np.array_equal(one.offsets, other.offsets)


def test_equal_to_hugging_face(model: cloze.Model) -> None:
    tokenizers = pytest.importorskip("tokenizers", reason="tokenizers is not installed")
    theirs = tokenizers.Tokenizer.from_file(str(BUILT_IN / "tokenizer.json"))
    theirs.no_truncation()
    theirs.no_padding()
    random = np.random.default_rng(7)
    scalars = np.concatenate([np.arange(0x20, 0xD800), np.arange(0xE000, 0x30000)])
    strange = ["".join(map(chr, random.choice(scalars, 40))) for _ in range(300)]
    likely = "aZé ßİ北京。.,!?'-_[MASK]\t\n\u200d\u0301한ﬁ\U0001F600"
    mixed = ["".join(random.choice(list(likely), 60)) for _ in range(300)]
    compare(model, theirs, TEXTS + strange + mixed + ["[MASK].", "a[MASK]b", "[mask]", "x" * 101, "x" * 100])


def test_equal_to_hugging_face_on_real_texts(model: cloze.Model, shared: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers", reason="tokenizers is not installed")
    theirs = tokenizers.Tokenizer.from_file(str(BUILT_IN / "tokenizer.json"))
    theirs.no_truncation()
    theirs.no_padding()
    for name in ("texts-en.txt", "texts-zh.txt"):
        compare(model, theirs, (shared / "data" / name).read_text(encoding="utf-8").split("\n"))


def compare(model: cloze.Model, theirs: object, texts: list) -> None:
    for text in texts:
        mine = model.tokenize(text)
        wanted = theirs.encode(*text) if isinstance(text, tuple) else theirs.encode(text)
        assert mine.ids.tolist() == wanted.ids, repr(text)
        assert mine.tokens == wanted.tokens, repr(text)
        assert mine.type_ids.tolist() == wanted.type_ids, repr(text)
        assert [tuple(place) for place in mine.offsets.tolist()] == wanted.offsets, repr(text)
