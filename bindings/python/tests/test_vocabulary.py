"""cloze.vocabulary."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import cloze
from conftest import ROOT
from test_load import refused

FIXTURES = ROOT / "Tests" / "Fixtures" / "vocabulary"
CORPUS = FIXTURES / "corpus.txt"


def pieces(folder: Path) -> list[str]:
    return (folder / "vocab.txt").read_text().split("\n")[:-1]


def test_pieces_are_those_of_tokenizers(tmp_path: Path) -> None:
    found = cloze.vocabulary(CORPUS, 700, tmp_path / "v", threads=2)
    assert found == {"pieces": 700, "words": 1741, "distinct_words": 586, "characters": 145, "remarks": []}
    assert pieces(tmp_path / "v") == (FIXTURES / "lowercased.txt").read_text().split("\n")[:-1]
    tokenizer = cloze.Tokenizer(tmp_path / "v")
    assert "[UNK]" not in tokenizer.encode(CORPUS.read_text()).tokens
    with pytest.warns(UserWarning, match="1594 pieces instead of 5000"):
        cloze.vocabulary([CORPUS], 5000, tmp_path / "c", lowercase=False, min_frequency=1)
    assert pieces(tmp_path / "c") == (FIXTURES / "cased.txt").read_text().split("\n")[:-1]


def test_transformers_reads_the_folder(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    cloze.vocabulary(CORPUS, 700, tmp_path)
    theirs, ours = transformers.AutoTokenizer.from_pretrained(tmp_path), cloze.Tokenizer(tmp_path)
    for text in CORPUS.read_text().splitlines():
        assert theirs(text)["input_ids"] == ours.encode(text).ids.tolist()
    assert theirs("a", "b")["token_type_ids"] == ours.encode("a", "b").type_ids.tolist()
    assert theirs.mask_token == "[MASK]" and theirs.pad_token_id == 0


def test_files_agree(tmp_path: Path) -> None:
    cloze.vocabulary(CORPUS, 700, tmp_path, strip_accents=False)
    whole, config = (json.loads((tmp_path / name).read_text()) for name in ("tokenizer.json", "tokenizer_config.json"))
    assert list(whole["model"]["vocab"]) == pieces(tmp_path)
    assert whole["normalizer"]["strip_accents"] is False and config["strip_accents"] is False
    assert [token["content"] for token in whole["added_tokens"]] == pieces(tmp_path)[:5]


def test_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_bytes(b"fine\n\xff\n")
    (tmp_path / "empty.txt").write_bytes(b"")
    with refused("invalid_text", "bad.txt, line 2"):
        cloze.vocabulary([CORPUS, tmp_path / "bad.txt"], 700, tmp_path / "v")
    with refused("invalid_text", "no word"):
        cloze.vocabulary(tmp_path / "empty.txt", 700, tmp_path / "v")
    with refused("not_found", "absent"):
        cloze.vocabulary(tmp_path / "absent", 700, tmp_path / "v")
    with refused("invalid_argument", "must be"):
        cloze.vocabulary(CORPUS, 100, tmp_path / "v")
    with refused("invalid_argument", "no file"):
        cloze.vocabulary([], 100, tmp_path / "v")
    for options in ({"min_frequency": 0}, {"limit_alphabet": -1}, {"threads": 257}):
        with pytest.raises(cloze.ArgumentError):
            cloze.vocabulary(CORPUS, 700, tmp_path / "v", **options)
    assert not (tmp_path / "v").exists()
    cloze.vocabulary(CORPUS, 700, tmp_path / "v")
    with refused("invalid_argument", "has a tokenizer"):
        cloze.vocabulary(CORPUS, 700, tmp_path / "v")
    cloze.vocabulary(CORPUS, 700, tmp_path / "v", overwrite=True)
