#!/usr/bin/env python3
"""Compares Cloze's tokenizer with the Python package `tokenizers`, token for token.

    CLOZE_SHARED=DIR python3 Tests/Fixtures/tokenizer/compare.py [--answer PROGRAM] [PART ...]

PART is one of files, scalars, random, pairs, added; without any, all. Ids, type ids, offsets and
truncation are compared. The vocabularies and texts of DIR/data are used where CLOZE_SHARED is set,
the small vocabulary beside this script otherwise. Cloze answers through the test
`compareWithRequests`, or through a PROGRAM that reads requests as Tests/ClozeTokenizerTests/
Comparison.swift has them and writes the answers. Exit status 1 where anything differs.
"""
import argparse
import glob
import json
import os
import random
import subprocess
import sys
import tempfile

# A panic of the package is caught; its stack trace would fill the terminal.
os.environ["RUST_BACKTRACE"] = "0"

from tokenizers import AddedToken, Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "../../..")
SHARED = os.environ.get("CLOZE_SHARED")
SPECIALS = ["[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"]


def reference(vocabulary, lowercase=True, strip_accents=None):
    """What transformers makes of a vocab.txt."""
    tokenizer = Tokenizer(WordPiece(WordPiece.read_file(vocabulary), unk_token="[UNK]"))
    tokenizer.add_special_tokens([s for s in SPECIALS if tokenizer.token_to_id(s) is not None])
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase, strip_accents=strip_accents)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(s, tokenizer.token_to_id(s)) for s in ("[CLS]", "[SEP]")])
    return tokenizer


def byte_positions(text):
    """Where each character of a text begins in UTF-8, and the text's end."""
    positions, at = [], 0
    for c in text:
        positions.append(at)
        at += len(c.encode())
    return positions + [at]


class Run:
    """Requests for Cloze with what the reference says, answered and compared in one go."""

    def __init__(self, answer):
        self.answer = answer
        self.total = 0
        self.differences = 0
        self.clear()

    def clear(self):
        self.requests, self.expected, self.about = [], [], []

    def tokenizer(self, path, lowercase=None, strip_accents=None):
        flag = lambda b: "-" if b is None else str(int(b))
        self.request(f"T\t{path}\t{flag(lowercase)}\t{flag(strip_accents)}", "+", path)

    def request(self, line, expected, about):
        self.requests.append(line)
        self.expected.append(expected)
        self.about.append(about)

    def encode(self, tokenizer, text, pair=None, limit=None, rule="error"):
        about = (text, pair, limit, rule)
        expected = expect(tokenizer, *about)
        hexed = lambda s: "-" if s is None else s.encode().hex()
        self.request(f"E\t{hexed(text)}\t{hexed(pair)}\t{'-' if limit is None else limit}\t{rule}",
                     expected, about)

    def finish(self, title):
        answers = self.answer("\n".join(self.requests) + "\n")
        wrong = [(a, e, x) for a, e, x in zip(self.about, self.expected, answers)
                 if e != x and not (e == "!" and x.startswith("!tooLong"))]
        if len(answers) != len(self.expected):
            wrong.append(("number of answers", len(self.expected), len(answers)))
        print(f"{title}: {len(self.expected)} compared, {len(wrong)} differ", flush=True)
        for about, expected, got in wrong[:5]:
            print(f"  {about!r:.300}\n    tokenizers {expected:.300}\n    cloze      {got:.300}")
        self.total += len(self.expected)
        self.differences += len(wrong)
        self.clear()
        return len(wrong)


def expect(tokenizer, text, pair, limit, rule):
    """The answer that equals the reference's; "!" where it must be a refusal for length."""
    untruncated = tokenizer.encode(text, pair)
    added = tokenizer.num_special_tokens_to_add(pair is not None)
    encoding, truncated = untruncated, False
    if limit is not None and len(untruncated.ids) > limit:
        if limit < added or rule == "error":
            return "!"
        truncated = True
        tokenizer.enable_truncation(limit, strategy=rule)
        try:
            encoding = tokenizer.encode(text, pair)
        except Exception:
            return "!"
        finally:
            tokenizer.no_truncation()
    places = {0: byte_positions(text), 1: byte_positions(pair or "")}
    begins, ends = [], []
    for (begin, end), sequence in zip(encoding.offsets, encoding.sequence_ids):
        place = places.get(sequence, [0])
        begins.append(place[begin])
        ends.append(place[end])
    lists = [encoding.ids, encoding.type_ids, begins, ends]
    return ";".join(",".join(map(str, l)) for l in lists) + f";{int(truncated)}"


def vocabularies():
    """Path, lowercase, strip_accents."""
    if not SHARED:
        small = os.path.join(HERE, "vocab.txt")
        return [(small, True, None), (small, False, None), (small, True, False), (small, False, True)]
    name = lambda n: os.path.join(SHARED, "data/vocab", f"bert-base-{n}-vocab.txt")
    return [(name("uncased"), True, None), (name("cased"), False, None),
            (name("chinese"), True, None), (name("multilingual-cased"), False, None)]


def all_switches():
    return [(v, l, s) for v, _, _ in vocabularies()[::3] for l in (True, False) for s in (None, True, False)]


def each(run, switches, title, texts):
    for path, lowercase, strip in switches:
        tokenizer = reference(path, lowercase, strip)
        run.tokenizer(path, lowercase, strip)
        for text in texts():
            run.encode(tokenizer, text)
        run.finish(f"{title}, {os.path.basename(path)} lowercase={lowercase} strip_accents={strip}")


def file_lines():
    if not SHARED:
        sys.exit("the part `files` needs CLOZE_SHARED")
    for path in sorted(glob.glob(os.path.join(SHARED, "data/**/*"), recursive=True)):
        if os.path.isfile(path) and path.rsplit(".", 1)[-1] in ("txt", "tsv", "csv", "md", "ner"):
            with open(path, encoding="utf-8", newline="\n") as f:
                for line in f:
                    yield line.rstrip("\n")
        elif path.endswith(".json"):
            with open(path, encoding="utf-8") as f:
                yield from strings(json.load(f))


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for v in value:
            yield from strings(v)
    elif isinstance(value, dict):
        for v in value.values():
            yield from strings(v)


def scalars(pattern):
    def texts():
        for c in range(0x110000):
            if not 0xD800 <= c < 0xE000:
                yield pattern.replace("?", chr(c))
    return texts


class Strings:
    """Random texts that mix scripts, marks, specials, controls and words."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        ranges = [(0x20, 0x7F), (0x20, 0x7F), (0, 0x20), (0x80, 0x250), (0x300, 0x370), (0x370, 0x600),
                  (0x590, 0x900), (0x900, 0xE80), (0xE00, 0x1200), (0x1AB0, 0x1B00), (0x1DC0, 0x2070),
                  (0x2000, 0x2100), (0x3000, 0x3100), (0x4E00, 0xA000), (0x302A, 0x3030), (0xAC00, 0xD7A4),
                  (0xF900, 0xFB50), (0xFE20, 0xFE30), (0xFF00, 0xFFF0), (0x1D15E, 0x1D1C0), (0x1F300, 0x1F700),
                  (0x20000, 0x20100), (0x2F800, 0x2FA20), (0x11000, 0x11A00), (0xE000, 0xE010), (0x1E8D0, 0x1E950)]
        self.ranges = ranges
        # Marks that strip_accents keeps, with some it removes around them.
        self.marks = [0x302E, 0x302F, 0x1D165, 0x1D166, 0x1D16D, 0x16FF0, 0x8D3, 0x1DFA, 0x1AC0, 0x11839,
                      0x10F46, 0x301, 0x323, 0x327, 0x345, 0x59A, 0x94D, 0x344, 0xF73, 0x34F, 0x200D, 0xAD]
        self.words = ("the The of and running unaffable embeddings Zürich café naïve ÅNGSTRÖM İstanbul ΣΊΣΥΦΟΣ "
                      "straße Привет мир 東京 台北大学 こんにちは 한국어 हिन्दी ไทย العربية [MASK] [SEP] [CLS] [UNK] "
                      "[PAD] [mask] [MASK [[MASK]] MASK] don't 3.14 U.S.A. x̣́y ## ##ing -- … “q” e\u0301 \u1e9b\u0323").split(" ")

    def scalar(self):
        r = self.random
        kind = r.random()
        if kind < 0.08:
            return chr(r.choice(self.marks))
        if kind < 0.1:
            c = r.randrange(0x110000)
            return chr(c) if not 0xD800 <= c < 0xE000 else " "
        low, high = r.choice(self.ranges)
        return chr(r.randrange(low, high))

    def text(self):
        r = self.random
        out = []
        for _ in range(r.choice([1, 2, 3, 5, 8, 13, 30])):
            kind = r.random()
            if kind < 0.3:
                out.append(r.choice(self.words))
            elif kind < 0.5:
                out.append(" ")
            elif kind < 0.52:
                out.append(r.choice("abé界\u0301") * r.choice([98, 99, 100, 101, 102]))
            elif kind < 0.6:
                out.append(chr(r.choice([0x61, 0xE4, 0x1D158, 0x1D15E, 0x4E00])) +
                           "".join(chr(r.choice(self.marks)) for _ in range(r.randrange(6))))
            else:
                out.extend(self.scalar() for _ in range(r.randrange(1, 6)))
        return "".join(out)


def part_files(run):
    each(run, vocabularies(), "files", file_lines)


def part_scalars(run):
    for pattern in ("?", "a?b"):
        each(run, vocabularies(), f"scalars {pattern}", scalars(pattern))
    for path, lowercase, strip in all_switches()[:6]:
        each(run, [(path, lowercase, strip)], "scalars e\u0301?\u0323", scalars("e\u0301?\u0323"))


def part_random(run):
    switches = all_switches()
    for i, switch in enumerate(switches):
        made = Strings(i)
        each(run, [switch], "random", lambda: (made.text() for _ in range(200000 // len(switches) + 1)))


def part_pairs(run):
    for i, (path, lowercase, strip) in enumerate(vocabularies()):
        made = Strings(100 + i)
        tokenizer = reference(path, lowercase, strip)
        run.tokenizer(path, lowercase, strip)
        for _ in range(20000):
            pair = made.text() if made.random.random() < 0.7 else None
            rule = made.random.choice(["error", "longest_first", "only_first", "only_second"])
            limit = made.random.choice([None, made.random.randrange(0, 12), made.random.randrange(0, 90)])
            run.encode(tokenizer, made.text(), pair, limit, rule)
        run.finish(f"pairs and truncation, {os.path.basename(path)}")


def part_added(run):
    """tokenizer.json files with all kinds of added tokens, normalisers and templates."""
    vocabulary = WordPiece.read_file(vocabularies()[0][0])
    contents = ["[MASK]", "New York", "x1", "é", "E\u0301", "  ", " ", "ing", "the", "東", "界a", "<a>", "<a><b>", "\u0301e", "#", "İ"]
    made = Strings(7)
    r = made.random
    with tempfile.TemporaryDirectory() as folder:
        for i in range(120):
            tokenizer = Tokenizer(WordPiece(
                vocabulary, unk_token="[UNK]", max_input_chars_per_word=r.choice([100, 100, 5, 1]),
                continuing_subword_prefix=r.choice(["##", "##", "", "a"])))
            if i % 10:
                tokenizer.normalizer = normalizers.BertNormalizer(
                    clean_text=r.random() < 0.8, handle_chinese_chars=r.random() < 0.8,
                    strip_accents=r.choice([None, True, False]), lowercase=r.random() < 0.5)
            tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
            if i % 3 == 0:
                tokenizer.post_processor = processors.BertProcessing(("[SEP]", 7), ("[CLS]", 8))
            else:
                tokenizer.post_processor = processors.TemplateProcessing(
                    single=r.choice(["[CLS] $A [SEP]", "$A", "$A:3 [SEP]:2", "X $A"]),
                    pair=r.choice(["[CLS] $A [SEP] $B:1 [SEP]:1", "$B:4 X $A:2", "$A $B"]),
                    special_tokens=[("[CLS]", 8), ("[SEP]", 7), {"id": "X", "ids": [5, 6], "tokens": ["p", "q"]}])
            chosen = r.sample(contents, r.randrange(0, 9))
            seen = set()
            for content in chosen:
                token = AddedToken(content, single_word=r.random() < 0.3, lstrip=r.random() < 0.3,
                                   rstrip=r.random() < 0.3, normalized=r.random() < 0.5,
                                   special=r.random() < 0.3)
                # Where two normalised forms are equal, or one is empty, the package is at a loss.
                form = tokenizer.normalizer.normalize_str(content) if tokenizer.normalizer else content
                if token.normalized and (form in seen or form == ""):
                    continue
                seen.add(form)
                tokenizer.add_tokens([token])
            path = os.path.join(folder, f"{i}.json")
            tokenizer.save(path)
            run.tokenizer(path)
            for _ in range(250):
                text = lambda: "".join(r.choice([made.text(), " ", r.choice(contents), "x", "\u0301", r.choice(contents)])
                                       for _ in range(r.randrange(1, 8)))
                a, b = text(), text() if r.random() < 0.4 else None
                limit, rule = r.choice([(None, "error"), (r.randrange(3, 40), "longest_first")])
                try:
                    run.encode(tokenizer, a, b, limit, rule)
                except BaseException as error:
                    # A panic of the package: a token of whitespace inside one that took it.
                    if "bad split" not in str(error):
                        raise
        run.finish("added tokens")


def answer_by_test(requests):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "requests")
        with open(path, "w", encoding="utf-8") as f:
            f.write(requests)
        subprocess.run(
            ["swift", "test", "-c", "release", "--filter", "compareWithRequests"],
            cwd=ROOT, check=True, stdout=subprocess.DEVNULL,
            env={**os.environ, "CLOZE_TOKENIZER_REQUESTS": path})
        with open(path + ".answers", encoding="utf-8") as f:
            return f.read().split("\n")[:-1]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--answer")
    parser.add_argument("parts", nargs="*")
    options = parser.parse_args()
    if options.answer:
        answer = lambda requests: subprocess.run(
            [options.answer], input=requests.encode(), stdout=subprocess.PIPE,
            check=True).stdout.decode().split("\n")[:-1]
    else:
        answer = answer_by_test
    run = Run(answer)
    parts = options.parts or (["files"] if SHARED else []) + ["scalars", "random", "pairs", "added"]
    for part in parts:
        globals()["part_" + part](run)
    print(f"{run.total} compared, {run.differences} differ")
    sys.exit(run.differences > 0)


if __name__ == "__main__":
    main()
