#!/usr/bin/env python3
"""Writes the fixtures of the stages: small tokenizer.json files of each model, a sentencepiece model, a
vocab.json with its merges.txt, and what the Python package `tokenizers` makes of texts with them.

    python3 Tests/Fixtures/tokenizer/make_stages.py

stages.jsonl        as cases.jsonl, see make_cases.py
"""
import json
import os
import random
import struct

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from compare import HERE
from compare_stages import MASK, SPECIALS, TEXT, StageStrings, charsmap, roberta, template
from make_cases import case

FOLDER = os.path.join(HERE, "stages")


def corpus():
    # Few distinct characters, so that the vocabulary may be small.
    keep = "".join(c for c in TEXT if ord(c) < 0x250 or c in "東京台北大学мирв▁")
    return [keep, keep.lower(), "the dog the fox and the lazy dogs don't jump over 2024 things"] * 40


def finish(tokenizer, processor):
    tokenizer.add_special_tokens(SPECIALS + [MASK])
    tokenizer.post_processor = processor(tokenizer)
    return Tokenizer.from_str(tokenizer.to_str())


def unigram():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.Precompiled(charsmap()), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.train_from_iterator(corpus(), trainers.UnigramTrainer(
        vocab_size=300, special_tokens=SPECIALS, unk_token="<unk>", show_progress=False))
    return finish(tokenizer, template)


def fallback():
    vocabulary = [(s, 0.0) for s in SPECIALS] + [("<0x%02X>" % b, 0.0) for b in range(256)]
    vocabulary += [("▁", -2.0), ("a", -3.0), ("b", -3.0), ("ab", -5.5), ("▁a", -4.0), ("東", -4.0), ("zz", -20.0)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=3, byte_fallback=True))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    return finish(tokenizer, template)


def byte_bpe(space):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=space)
    tokenizer.train_from_iterator(corpus(), trainers.BpeTrainer(
        vocab_size=420, special_tokens=SPECIALS, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False))
    return finish(tokenizer, lambda t: roberta(t, space=space))


def words_bpe():
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Whitespace(), pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.Split(Regex("[a-c]+"), "merged_with_next")])
    tokenizer.train_from_iterator(corpus(), trainers.BpeTrainer(
        vocab_size=200, special_tokens=SPECIALS, end_of_word_suffix="</w>", show_progress=False))
    return finish(tokenizer, template)


def word_piece():
    tokens = SPECIALS + list("abcdefghijklmnopqrstuvwxyz0123456789.,'") + ["##" + c for c in "abcdefghijklmnopqrstuvwxyz"]
    tokens += ["the", "dog", "##og", "fox", "▁"]
    tokenizer = Tokenizer(models.WordPiece({t: i for i, t in enumerate(tokens)}, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.Nmt(), normalizers.NFKC(), normalizers.Strip(), normalizers.Replace("``", '"'), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("merged_with_previous")])
    tokenizer.add_tokens([AddedToken("New York", normalized=True), AddedToken("x1", single_word=True, normalized=False)])
    return finish(tokenizer, lambda t: processors.Sequence([
        processors.ByteLevel(trim_offsets=True, add_prefix_space=False), template(t)]))


def sentencepiece(tokenizer):
    """A sentencepiece model with the pieces of a Unigram tokenizer."""
    def varint(n):
        out = b""
        while n > 127:
            out += bytes([n & 127 | 128])
            n >>= 7
        return out + bytes([n])

    def field(number, content):
        return varint(number << 3 | 2) + varint(len(content)) + content

    vocabulary = json.loads(tokenizer.to_str())["model"]["vocab"]
    pieces = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)] + [(t, s, 1) for t, s in vocabulary[4:]]
    out = b"".join(field(1, field(1, t.encode()) + b"\x15" + struct.pack("<f", s) + b"\x18" + varint(kind))
                   for t, s, kind in pieces)
    out += field(2, b"\x18\x01") + field(3, field(1, b"small") + field(2, charsmap()) + b"\x18\x01")
    return out, [(t, struct.unpack("<f", struct.pack("<f", s))[0]) for t, s, _ in pieces]


def converted(pieces, camembert):
    """What transformers makes of a sentencepiece model, see its convert_from_spm and the tokenizers' classes."""
    if camembert:
        vocabulary = [("<s>NOTUSED", 0.0), ("<pad>", 0.0), ("</s>NOTUSED", 0.0), ("<unk>", 0.0), ("<unk>NOTUSED", -100.0)]
        vocabulary += pieces[1:]
    else:
        vocabulary = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)] + pieces[3:]
    tokenizer = Tokenizer(models.Unigram(vocabulary + [("<mask>", 0.0)], unk_id=3, byte_fallback=False))
    tokenizer.normalizer = normalizers.Precompiled(charsmap())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    names = ["<s>", "</s>", "<unk>", "<pad>"]
    names.append(AddedToken("<mask>", lstrip=camembert, normalized=False, special=True))
    if camembert:
        names += ["<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED"]
    tokenizer.add_special_tokens(names)
    tokenizer.post_processor = template(tokenizer)
    return tokenizer


def byte_pairs(tokenizer):
    """What transformers' RobertaTokenizer makes of the files; the mask is plain there."""
    model = json.loads(tokenizer.to_str())["model"]
    made = Tokenizer(models.BPE(model["vocab"], [tuple(m) for m in model["merges"]], continuing_subword_prefix="",
                                end_of_word_suffix="", fuse_unk=False))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.add_special_tokens(["<s>", "</s>", "<unk>", "<pad>", "<mask>"])
    made.post_processor = roberta(made, space=False)
    return model, made


def main():
    os.makedirs(FOLDER, exist_ok=True)
    made = {"unigram": unigram(), "fallback": fallback(), "bytes": byte_bpe(False), "bytes-space": byte_bpe(True),
            "words": words_bpe(), "word-piece": word_piece()}
    tokenizers = {}
    for name, tokenizer in made.items():
        path = os.path.join(FOLDER, name + ".json")
        tokenizer.save(path, pretty=False)
        tokenizers[name + ".json"] = Tokenizer.from_file(path)
    model, pieces = sentencepiece(made["unigram"])
    for name, camembert in (("xlm-roberta", False), ("camembert", True)):
        folder = os.path.join(FOLDER, name)
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "sentencepiece.bpe.model"), "wb") as f:
            f.write(model)
        with open(os.path.join(folder, "tokenizer_config.json"), "w") as f:
            f.write('{"tokenizer_class": "%s"}\n' % ("CamembertTokenizer" if camembert else "XLMRobertaTokenizer"))
        tokenizers[name] = converted(pieces, camembert)
    folder = os.path.join(FOLDER, "roberta")
    os.makedirs(folder, exist_ok=True)
    # <mask> is an entry there, as in RoBERTa's own files.
    vocabulary, tokenizers["roberta"] = byte_pairs(made["bytes"])
    vocabulary["vocab"]["<mask>"] = len(vocabulary["vocab"])
    with open(os.path.join(folder, "vocab.json"), "w") as f:
        json.dump(vocabulary["vocab"], f)
    with open(os.path.join(folder, "merges.txt"), "w", encoding="utf-8") as f:
        f.write("#version: 0.2\n" + "".join(a + " " + b + "\n" for a, b in vocabulary["merges"]))

    texts = ["", " ", "The quick brown fox jumps over the lazy dog.", TEXT, "Hello  world <mask> !", "a <mask>b", "don't", " lead",
             "trail ", "\n\n x", "e\u0301 ＡＢＣ ﬁ", "\r\n", "東京 <unk> zz東zz", "New York x1 new york ``q''", "▁a ▁▁b", "©\u200dx \u0600a",
             "x" * 60, "dog" * 30, "\U0001f600é\u0301", "İstanbul Ġa", "1½²Ⅷ", "क्‍ष", "\U0001d174\u0344\u1dfa"]
    with open(os.path.join(HERE, "stages.jsonl"), "w") as out:
        for i, (name, tokenizer) in enumerate(tokenizers.items()):
            strings = StageStrings(i)
            for text in texts:
                case(out, "stages/" + name, tokenizer, text, None, None, "error")
            for _ in range(40):
                pair = strings.text() if strings.random.random() < 0.4 else None
                limit = strings.random.choice([None, None, 12])
                case(out, "stages/" + name, tokenizer, strings.text(), pair, limit, "longest_first")


if __name__ == "__main__":
    main()
