#!/usr/bin/env python3
"""Writes the fixtures beside this script: a small vocabulary, tokenizer.json files, and what the
Python package `tokenizers` makes of texts with them.

    python3 Tests/Fixtures/tokenizer/make_cases.py

cases.jsonl         a text, or a pair, per line with the tokens expected; offsets in bytes
every-scalar.txt    a CRC-32 for each 4,096 code points over what becomes of them, see `every_scalar`
"""
import json
import os
import random
import zlib

from tokenizers import AddedToken, Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece

from compare import HERE, SPECIALS, Strings, expect, reference

WORDS = """the quick brown fox jump ##s ##ed over lazy dog ##gy un ##aff ##able embed ##ding runn ##ing cafe café
zurich Zürich naive new New york York hello world 3 14 2024 ##24 don t e E ee ##e mir мир привет strasse straße
σισυφος σίσυφος ᄀ ᅡ ᆨ ##ᅡ ##ᆨ 각 한국 ##어 한 ##국 東 京 台 北 大 学 學 こ ##ん ##に ##ち ##は 界 世 東京 ##京 i ##i
ing ## ##の mask MASK 〮 ##〮 ##〯 𝅗 ##𝅗 ##𝅥 ##𝅮 ##\u0307 ##\u0301 ə ## ### aa ##aa aaa ##aaa x1 1 ##1""".split()


def vocabulary():
    tokens = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokens += [chr(c) for c in range(0x21, 0x7F)]
    tokens += ["##" + c for c in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"]
    tokens += list("“”’…—、。，！？·¿«»áéíóúäöüßçñøåÉÄабвгдежзийклмнопрстуфхцчшщъыьэюяΑΒΓαβγδεάέ中国人你好吗的是不豈更")
    tokens += WORDS
    return list(dict.fromkeys(tokens))


TEXTS = [
    "", " ", "\t\n\r ", "Hello world", "The quick brown fox jumped over the lazy dog.", "unaffable embeddings",
    "Café ZÜRICH naïve", "cafe\u0301 Zu\u0308rich", "e\u0301\u0323 e\u0323\u0301", "don't stop... (now)!", "[MASK]", "the [MASK].",
    "[MASK][MASK],[MASK]!", "[mask] [MASK [[MASK]] x[SEP]y [CLS]", "[PAD] [UNK] [unused0]", "東京台北大学", "我爱北京 the 台[MASK]大学",
    "東 京\u3000大", "こんにちは世界", "한국어", "각각", "\u1100\u1161\u11a8", "Привет, МИР!", "ΣΊΣΥΦΟΣ σίσυφος",
    "İstanbul I\u0307 ı", "straße STRASSE ẞ", "a\u0000b\u0001c\ufffdd", "a\u200bb\u00adc\u2028d\u0085e", "soft\u00adhyphen zero\u200dwidth",
    "\ufeffthe", "a\u00a0b\u2003c\u3000d", "tab\tnew\nline\vvt\fff", "\ue000private\U000f0000", "豈更 \u2f00 \U0002f804", "\u037e \u1fef \u2126 \u212a",
    "“quoted” — … ‘x’ «y»", "x\u30fby \u00b7 \u00a1 $5 + 3 < 4 ^ ~ `", "3.14 2024-01-02", "\u302e\u302f", "a\u302e\u0301b", "a\u0301\u302eb a\u302f\u0301\u302e",
    "e\u0323\u302e\u0301x", "\u00e4\u302e\u0323", "\U0001d15e\U0001d160", "\U0001d157\U0001d165\U0001d16e", "\u0344\u302e \u0f73\u0f71", "\u0301\u302ea",
    "中\u0301\u302e国", "😀 the 👩‍👩‍👧", "ไทย हिन्दी العربية עברית", "a" * 99, "a" * 100, "a" * 101, "é" * 100, "é" * 101, "e\u0301" * 100 + " e",
    "界" * 120, "##ing #", "aaaaaaa", "the" * 40, "[MASK]the[MASK]", "x [SEP] y", "I don\u2019t", "\U00010400 \u10a0 \u13a0 \uab70", "ǅ ǆ Ǆ", "ﬁ ﬀ ½",
    "\u0130\u0130", "\u1e9b\u0323", "\u1ac1\u0301a", "\ud7a3\uac00", "q\u0307\u0323 \u0958",
]


def jsons():
    """Name and tokenizer of each tokenizer.json."""
    tokens = {t: i for i, t in enumerate(vocabulary())}

    def make(**model):
        t = Tokenizer(WordPiece(tokens, unk_token="[UNK]", **model))
        t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        t.normalizer = normalizers.BertNormalizer()
        t.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
            special_tokens=[("[CLS]", tokens["[CLS]"]), ("[SEP]", tokens["[SEP]"])])
        return t

    plain = make()
    plain.add_special_tokens(SPECIALS)
    # Sections that are to be ignored.
    plain.enable_truncation(7)
    plain.enable_padding(length=9)

    added = make()
    added.add_special_tokens(SPECIALS[:4] + [AddedToken("[MASK]", special=True, lstrip=True, normalized=False)])
    added.add_tokens([
        AddedToken("New York", normalized=True), AddedToken("x1", single_word=True, normalized=False),
        AddedToken("<br>", rstrip=True, normalized=False), AddedToken("<br><br>", normalized=False),
        AddedToken("É", normalized=True, single_word=True), AddedToken("東", lstrip=True, rstrip=True, normalized=True),
        AddedToken("fox", normalized=False, lstrip=True), AddedToken("   ", normalized=False)])

    cased = make(max_input_chars_per_word=5, continuing_subword_prefix="")
    cased.normalizer = normalizers.BertNormalizer(
        clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False)
    cased.post_processor = processors.BertProcessing(("[SEP]", tokens["[SEP]"]), ("[CLS]", tokens["[CLS]"]))

    template = make()
    template.normalizer = normalizers.BertNormalizer(strip_accents=False, lowercase=True)
    template.post_processor = processors.TemplateProcessing(
        single="X:2 $A:1", pair="$B:3 X $A:2 [SEP]:9",
        special_tokens=[("[SEP]", tokens["[SEP]"]), {"id": "X", "ids": [7, 900], "tokens": ["a", "b"]}])
    return {"plain": plain, "added": added, "cased": cased, "template": template}


def case(out, name, tokenizer, text, pair, limit, rule, **switches):
    answer = expect(tokenizer, text, pair, limit, rule)
    line = dict(tokenizer=name, **switches, text=text)
    if pair is not None:
        line["pair"] = pair
    if limit is not None:
        line["max_tokens"] = limit
    if rule != "error":
        line["truncation"] = rule
    if answer == "!":
        line["too_long"] = True
    else:
        ids, types, begins, ends, truncated = answer.split(";")
        numbers = lambda s: [int(x) for x in s.split(",")] if s else []
        line.update(ids=numbers(ids), type_ids=numbers(types),
                    offsets=[list(p) for p in zip(numbers(begins), numbers(ends))], truncated=truncated == "1")
    out.write(json.dumps(line, ensure_ascii=True) + "\n")


def every_scalar():
    """For each scalar: how it is normalised between letters, and where words then are, with four
    normalisers; and the same between marks with the first. From U+30000 on, where nearly nothing is
    assigned, with the first only, between letters. All are hashed, 4,096 code points a hash.
    """
    switches = [dict(lowercase=True), dict(lowercase=False), dict(lowercase=True, strip_accents=False),
                dict(clean_text=False, handle_chinese_chars=False, lowercase=False, strip_accents=True)]
    tokenizers = []
    for s in switches:
        t = Tokenizer(WordPiece({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2}, unk_token="[UNK]"))
        t.normalizer = normalizers.BertNormalizer(**s)
        t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizers.append(t)
    jobs = [("a", "b", t) for t in tokenizers] + [("e\u0301", "\u0323", tokenizers[0])]
    with open(os.path.join(HERE, "every-scalar.txt"), "w") as f:
        for block in range(0, 0x110000, 4096):
            crc = 0
            for c in range(block, block + 4096):
                if 0xD800 <= c < 0xE000:
                    continue
                for before, after, t in jobs if c < 0x30000 else jobs[:1]:
                    text = before + chr(c) + after
                    record = bytearray(t.normalizer.normalize_str(text).encode())
                    at = [0]
                    for x in text:
                        at.append(at[-1] + len(x.encode()))
                    for begin, end in t.encode(text, add_special_tokens=False).offsets:
                        record += bytes([0xFF, at[begin], at[end]])
                    crc = zlib.crc32(record, crc)
            f.write(f"{block:06x} {crc:08x}\n")


def main():
    with open(os.path.join(HERE, "vocab.txt"), "w", encoding="utf-8") as f:
        f.write("".join(t + "\n" for t in vocabulary()))
    rules = ["longest_first", "only_first", "only_second", "error"]
    r = random.Random(1)
    with open(os.path.join(HERE, "cases.jsonl"), "w") as out:
        for lowercase in (True, False):
            for strip in (None, True, False):
                t = reference(os.path.join(HERE, "vocab.txt"), lowercase, strip)
                for text in TEXTS:
                    case(out, "vocab.txt", t, text, None, None, "error", lowercase=lowercase, strip_accents=strip)
        t = reference(os.path.join(HERE, "vocab.txt"))
        lengths = [0, 1, 2, 3, 5, 8]
        for a in lengths:
            for b in [None] + lengths:
                for limit in range(2, 17):
                    for rule in rules:
                        if r.random() < 0.25:
                            pair = None if b is None else " ".join(["dog"] * b)
                            case(out, "vocab.txt", t, " ".join(["fox"] * a), pair, limit, rule)
        made = Strings(5)
        extra = ["new york", "New  York", "x1", "ax1 x1b x1", "<br> the", "<br><br>  <br>", "é É e\u0301 éa", "  東  京", "a fox", "  [MASK] ", "    "]
        for name, t in jsons().items():
            t.save(os.path.join(HERE, name + ".json"))
            t.no_truncation()
            t.no_padding()
            for text in TEXTS[:60] + extra:
                case(out, name + ".json", t, text, r.choice([None, None, "the " + r.choice(extra)]), None, "error")
            for _ in range(60):
                text = "".join(r.choice(extra + [" ", made.text()]) for _ in range(4))
                case(out, name + ".json", t, text, r.choice([None, made.text()]), r.choice([None, 12]), "longest_first")
    every_scalar()


if __name__ == "__main__":
    main()
