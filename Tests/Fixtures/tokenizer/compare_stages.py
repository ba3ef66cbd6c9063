#!/usr/bin/env python3
"""Compares tokenizers made of the stages of a tokenizer.json with the Python package `tokenizers`.

    [CLOZE_SHARED=DIR] [CLOZE_TOKENIZER=FILE] python3 Tests/Fixtures/tokenizer/compare_stages.py
        [--answer PROGRAM] [--count N] [--texts N] [PART ...]

PART is one of files, scalars, strings, pairs, random; without any, all. All but `random` compare the
tokenizer.json of CLOZE_TOKENIZER, where it is set, and tokenizers trained here: Unigram with a
sentencepiece map's normal forms and with byte fallback, byte-level BPE with and without a space before
the first word. `random` makes --count tokenizers of random parts, 2000 by default; `strings`
and `pairs` take --texts random texts, 200000 and 80000 by default. As compare.py otherwise.
"""
import argparse
import json
import os
import random
import subprocess
import sys
import tempfile

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from compare import SHARED, Run, Strings, answer_by_test, file_lines, scalars

TEXT = ("The quick brown fox jumps over the lazy dog. Embeddings don't lie; they've 3.14 meanings, 2024-01-02. "
        "Zürich café naïve ÅNGSTRÖM, Привет мир! 東京台北大学 こんにちは世界 한국어 हिन्दी ไทย العربية 😀👩‍👩‍👧 ﬁ ½ ² ㎏ "
        "I'll we're it's you'd WASN'T <mask> </s>  two  spaces\n\ttabs ▁under ▁▁ score ")


def corpus():
    if not SHARED:
        return [TEXT] * 50
    lines = []
    for name in ("texts-en.txt", "texts-zh.txt"):
        with open(os.path.join(SHARED, "data", name), encoding="utf-8") as f:
            lines += f.read().split("\n")[:1500]
    return lines + [TEXT] * 20


def charsmap():
    """A small map: full width to ASCII, ligatures, a decomposed letter, controls to nothing or a space, CR LF."""
    import struct
    entries = {"\t": " ", "\n": " ", "\r": " ", "\r\n": "\n", "\u00a0": " ", "\u3000": " ", "ﬁ": "fi", "½": "1/2",
               "e\u0301": "é", "a\u0308": "ä", "\u200b": "", "\u0007": "", "㎏": "kg", "…": "...", "\u0958": "क़",
               "\u1100\u1161": "가", "\u0644\u0627": "لا", "İ": "i", "\u0600": "x", "©": "(c)", "\u200d": "",
               "\u0344": "\u0308\u0301"}
    entries.update({chr(0xFF01 + i): chr(0x21 + i) for i in range(94)})
    text, places = b"", {}
    for key, value in entries.items():
        places[key.encode()] = len(text)
        text += value.encode() + b"\0"
    trie = {}
    for key, place in places.items():
        node = trie
        for byte in key:
            node = node.setdefault(byte, {})
        node[0] = place
    units, used = [0] * 256, {0}

    def place(node, index):
        labels = sorted(node)
        base = 1
        while any(base ^ l < len(units) and base ^ l in used for l in labels) or base in bases:
            base += 1
        bases.add(base)
        while len(units) <= base | 255:
            units.extend([0] * 256)
        units[index] |= (base ^ index) << 10 | (1 << 8 if 0 in node else 0)
        for label in labels:
            used.add(base ^ label)
            units[base ^ label] = node[0] | 1 << 31 if label == 0 else label
        for label in labels:
            if label:
                place(node[label], base ^ label)

    bases = set()
    place(trie, 0)
    return struct.pack("<I", len(units) * 4) + b"".join(struct.pack("<I", u) for u in units) + text


def roberta(tokenizer, trim=True, space=True):
    return processors.RobertaProcessing(("</s>", tokenizer.token_to_id("</s>")), ("<s>", tokenizer.token_to_id("<s>")),
                                        trim_offsets=trim, add_prefix_space=space)


def template(tokenizer):
    return processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>",
        special_tokens=[(s, tokenizer.token_to_id(s)) for s in ("<s>", "</s>")])


SPECIALS = ["<s>", "<pad>", "</s>", "<unk>"]
MASK = AddedToken("<mask>", lstrip=True, special=True, normalized=False)


def unigram(byte_fallback=False):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.Precompiled(charsmap()), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    specials = SPECIALS + (["<0x%02X>" % b for b in range(256)] if byte_fallback else [])
    tokenizer.train_from_iterator(corpus(), trainers.UnigramTrainer(
        vocab_size=9000, special_tokens=specials, unk_token="<unk>", show_progress=False))
    if byte_fallback:
        model = json.loads(tokenizer.to_str())
        model["model"]["byte_fallback"] = True
        tokenizer = Tokenizer.from_str(json.dumps(model))
    tokenizer.add_special_tokens(SPECIALS + [MASK])
    tokenizer.post_processor = template(tokenizer)
    return tokenizer


def bytes_bpe(space):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=space)
    tokenizer.train_from_iterator(corpus(), trainers.BpeTrainer(
        vocab_size=6000, special_tokens=SPECIALS, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False))
    tokenizer.add_special_tokens(SPECIALS + [MASK])
    tokenizer.post_processor = roberta(tokenizer, space=space)
    return tokenizer


def kinds():
    """Name and tokenizer of each kind."""
    if os.environ.get("CLOZE_TOKENIZER"):
        yield "real", Tokenizer.from_file(os.environ["CLOZE_TOKENIZER"])
    yield "unigram", unigram()
    yield "unigram with bytes", unigram(True)
    yield "byte BPE", bytes_bpe(False)
    yield "byte BPE, space before", bytes_bpe(True)


class StageStrings(Strings):
    def __init__(self, seed):
        super().__init__(seed)
        self.words = self.words + TEXT.split(" ") + ["<mask>", " <mask>", "<s>", "</s>", "<unk>", "▁", "▁▁", "  ", "\r\n",
                                                    "\n\n", "'s", "'re", "don't", "©\u200d", "e\u0301", "ａｂｃ", "ﬁ",
                                                    "\u0600a", "12", "３", "Ⅷ", "Ġ", " \u3000", "\t"]


def each(run, title, texts):
    with tempfile.TemporaryDirectory() as folder:
        for i, (name, tokenizer) in enumerate(kinds()):
            path = os.path.join(folder, f"{i}.json")
            tokenizer.save(path)
            # Numbers are read back with a last bit of their own.
            tokenizer = Tokenizer.from_file(path)
            run.tokenizer(path)
            for request in texts(i):
                run.encode(tokenizer, *request)
            run.finish(f"{title}, {name}")


def part_files(run, options):
    lines = list(file_lines())
    each(run, "files", lambda i: ((line,) for line in lines))


def part_scalars(run, options):
    for pattern in ("?", "a?b"):
        each(run, f"scalars {pattern}", lambda i: ((text,) for text in scalars(pattern)()))
    each(run, "scalars e?\u0301", lambda i: ((text,) for text in scalars("e?\u0301")()))


def part_strings(run, options):
    def texts(i):
        made = StageStrings(i)
        return ((made.text(),) for _ in range(options.texts or 200000))
    each(run, "strings", texts)


def part_pairs(run, options):
    def requests(i):
        made = StageStrings(100 + i)
        for _ in range(options.texts or 80000):
            pair = made.text() if made.random.random() < 0.7 else None
            rule = made.random.choice(["error", "longest_first", "only_first", "only_second"])
            limit = made.random.choice([None, made.random.randrange(0, 12), made.random.randrange(0, 90)])
            yield made.text(), pair, limit, rule
    each(run, "pairs", requests)


# MARK: - Random tokenizers

REGEXES = [r" {2,}", r"\s+", r"[\n\r\t]", r"\s{2,}|[\n\r\t]", r"[^\w\s]+", r"\d", r"\p{L}+", r"(?:ab|a)b?", r"\A +| +\z",
           r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+", r"\s+(?!\S)|\s+", r"[a-e]{1,2}", r"x|y|z+?",
           r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
           r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", r"\p{P}", r"[\p{M}\p{S}]", r"^.|.$",
           r"\p{Lu}\p{Ll}*", r"\W+", r"(?=a)\w", r"[^a-zé]"]


class Parts:
    """Random tokenizers of all parts."""

    def __init__(self, seed):
        self.r = random.Random(seed)
        self.made = StageStrings(seed)
        self.map = charsmap()

    def pattern(self):
        return Regex(self.r.choice(REGEXES)) if self.r.random() < 0.6 else self.r.choice(
            [" ", "a", "ab", "▁", "``", "e\u0301", "東", "\n", "  "])

    def normalizer(self, depth=0):
        r = self.r
        kind = r.randrange(15 if depth < 2 else 14)
        if kind == 0:
            return normalizers.BertNormalizer(
                clean_text=r.random() < 0.6, handle_chinese_chars=r.random() < 0.6,
                strip_accents=r.choice([None, True, False]), lowercase=r.random() < 0.5)
        if kind < 9:
            return [normalizers.NFC, normalizers.NFD, normalizers.NFKC, normalizers.NFKD, normalizers.Nmt,
                    normalizers.Lowercase, normalizers.StripAccents, normalizers.ByteLevel][kind - 1]()
        if kind == 9:
            return normalizers.Strip(left=r.random() < 0.7, right=r.random() < 0.7)
        if kind in (10, 11):
            return normalizers.Replace(self.pattern(), r.choice(["", " ", "▁", "xy", "é", "  "]))
        if kind == 12:
            return normalizers.Prepend(r.choice(["▁", " ", "ab", "é"]))
        if kind == 13:
            return normalizers.Precompiled(self.map)
        return normalizers.Sequence([self.normalizer(depth + 1) for _ in range(r.randrange(0, 4))])

    def splitter(self, depth=0):
        r = self.r
        behavior = lambda: r.choice(["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"])
        kind = r.randrange(9 if depth < 2 else 8)
        if kind < 3:
            return [pre_tokenizers.BertPreTokenizer, pre_tokenizers.Whitespace, pre_tokenizers.WhitespaceSplit][kind]()
        if kind == 3:
            return pre_tokenizers.Metaspace(replacement=r.choice("▁▁_é"), prepend_scheme=r.choice(["always", "first", "never"]),
                                            split=r.random() < 0.7)
        if kind == 4:
            return pre_tokenizers.ByteLevel(add_prefix_space=r.random() < 0.5, use_regex=r.random() < 0.7)
        if kind == 5:
            return pre_tokenizers.Punctuation(behavior())
        if kind == 6:
            return pre_tokenizers.Digits(individual_digits=r.random() < 0.5)
        if kind == 7:
            return pre_tokenizers.Split(self.pattern(), behavior(), invert=r.random() < 0.3)
        return pre_tokenizers.Sequence([self.splitter(depth + 1) for _ in range(r.randrange(0, 4))])

    def tokens(self):
        r = self.r
        letters = list("abcdeéxyz'019.,-▁Ġ_ĊÃ©東京界мир") + ["\u0301", "##", "<", ">"]
        found = dict.fromkeys(SPECIALS + ["[UNK]", "[CLS]", "[SEP]"] + letters)
        for _ in range(r.randrange(0, 120)):
            found["".join(r.choice(letters) for _ in range(r.randrange(1, 5)))] = None
        if r.random() < 0.3:
            for b in range(256):
                if r.random() < 0.98:
                    found["<0x%02X>" % b] = None
        if r.random() < 0.5:
            for letter in letters:
                if r.random() < 0.2:
                    found.pop(letter, None)
        return list(found)

    def model(self):
        r = self.r
        tokens = self.tokens()
        kind = r.randrange(3)
        if kind == 0:
            prefix = r.choice(["##", "", "a"])
            tokens += [prefix + t for t in tokens if r.random() < 0.5]
            return models.WordPiece({t: i for i, t in enumerate(dict.fromkeys(tokens))}, unk_token="[UNK]",
                                    max_input_chars_per_word=r.choice([100, 100, 5]), continuing_subword_prefix=prefix)
        if kind == 1:
            score = lambda: r.choice([-r.random() * 10, float(-r.randrange(8)), -2.5])
            return models.Unigram([(t, score()) for t in tokens], unk_id=3, byte_fallback=r.random() < 0.4)
        known = set(tokens)
        prefix = r.choice([None, None, None, "", "##"])
        suffix = r.choice([None, None, None, "", "</w>"])
        cut = len(prefix or "")
        if prefix:
            known |= {prefix + t for t in tokens if r.random() < 0.7}
        if suffix:
            known |= {t + suffix for t in list(known) if r.random() < 0.5}
        merges = []
        for _ in range(r.randrange(0, 150)):
            a, b = r.choice(sorted(known)), r.choice(sorted(known))
            if prefix and not b.startswith(prefix) or len(a + b) > 12:
                continue
            merges.append((a, b))
            known.add(a + b[cut:])
        fallback = not prefix and not suffix and r.random() < 0.4
        order = sorted(known)
        r.shuffle(order)
        gap = r.choice([1, 1, 2])
        options = dict(unk_token=r.choice(["<unk>", "<unk>", None]), continuing_subword_prefix=prefix,
                       end_of_word_suffix=suffix)
        return models.BPE({t: i * gap for i, t in enumerate(order)}, merges, fuse_unk=r.random() < 0.5,
                          byte_fallback=fallback, ignore_merges=r.random() < 0.2,
                          **{k: v for k, v in options.items() if v is not None})

    def processor(self, tokenizer, must):
        r = self.r
        special = lambda: r.choice([
            processors.BertProcessing(("</s>", 7), ("<s>", 8)),
            processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=r.random() < 0.6, add_prefix_space=r.random() < 0.5),
            processors.TemplateProcessing(
                single=r.choice(["<s> $A </s>", "$A", "$A:3 </s>:2", "X $A"]),
                pair=r.choice(["<s> $A </s> $B:1 </s>:1", "$B:4 X $A:2", "$A $B", "<s> $A </s> </s> $B </s>"]),
                special_tokens=[("<s>", 0), ("</s>", 2), {"id": "X", "ids": [5, 6], "tokens": ["p", "q"]}])])
        trim = lambda: processors.ByteLevel(add_prefix_space=r.random() < 0.5, trim_offsets=r.random() < 0.8)
        kind = r.randrange(6)
        if kind == 0 and not must:
            return None
        if kind == 1:
            return trim()
        if kind == 2:
            return processors.Sequence([trim(), special()])
        if kind == 3:
            return processors.Sequence([trim()] * r.randrange(0, 3) + [special()])
        return special()

    def tokenizer(self):
        r = self.r
        model = self.model()
        tokenizer = Tokenizer(model)
        if r.random() < 0.8:
            tokenizer.normalizer = self.normalizer()
        isword = isinstance(model, models.WordPiece)
        if isword or r.random() < 0.85:
            tokenizer.pre_tokenizer = self.splitter()
        processor = self.processor(tokenizer, isword)
        if processor is not None:
            tokenizer.post_processor = processor
        contents = ["<mask>", "New York", "x1", "é", "E\u0301", "  ", " ", "ab", "東", "界a", "<a>", "<a><b>", "</s>", "▁a"]
        seen = set()
        for content in r.sample(contents, r.randrange(0, 6)):
            token = AddedToken(content, single_word=r.random() < 0.3, lstrip=r.random() < 0.3, rstrip=r.random() < 0.3,
                               normalized=r.random() < 0.4, special=r.random() < 0.3)
            # Where two normalised forms are equal, or one is empty, the package is at a loss.
            form = tokenizer.normalizer.normalize_str(content) if tokenizer.normalizer else content
            if token.normalized and (form in seen or form == ""):
                continue
            seen.add(form)
            tokenizer.add_tokens([token])
        return tokenizer

    def text(self):
        r = self.r
        pieces = ["abc", "ab ", "xyz", "é", "don't", "01", " ", "  ", "▁a", "東京", "мир", ".", "-", "a.b", "x1", "<mask>",
                  "New York", "Ġ", "'s", "\n"]
        return "".join(r.choice(pieces) if r.random() < 0.7 else self.made.text()[:r.randrange(1, 12)]
                       for _ in range(r.randrange(1, 10)))


def part_random(run, options):
    """What Cloze refuses must be refused by name; how often is printed."""
    refused = {}
    with tempfile.TemporaryDirectory() as folder:
        for first in range(0, options.count, 200):
            made = []
            for i in range(first, min(first + 200, options.count)):
                parts = Parts(options.seed * 1000003 + i)
                try:
                    tokenizer = parts.tokenizer()
                    path = os.path.join(folder, f"{i}.json")
                    tokenizer.save(path)
                    made.append((path, Tokenizer.from_file(path), parts))
                except BaseException as error:
                    refused.setdefault("tokenizers: " + str(error)[:60], []).append(i)
            answers = run.answer("".join(f"T\t{path}\t-\t-\n" for path, _, _ in made))
            for (path, tokenizer, parts), answer in zip(made, answers):
                if answer != "+":
                    refused.setdefault(answer[:40], []).append(path + " " + answer)
                    continue
                run.tokenizer(path)
                for _ in range(25):
                    a, b = parts.text(), parts.text() if parts.r.random() < 0.4 else None
                    limit, rule = parts.r.choice([(None, "error"), (parts.r.randrange(4, 40), "longest_first")])
                    try:
                        run.encode(tokenizer, a, b, limit, rule)
                        run.about[-1] = (path, a, b, limit)
                    except BaseException as error:
                        # A panic of the package, or an unknown token that it lacks.
                        message = str(error)[:50]
                        refused.setdefault("tokenizers: " + message, []).append((path, a))
            if run.finish(f"random {first}"):
                if options.keep:
                    return
            for path, _, _ in made:
                os.unlink(path)
    for reason, cases in refused.items():
        print(f"  {len(cases)} times {reason}", cases[0] if reason[0] == "!" else "")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--answer")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--texts", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("parts", nargs="*")
    options = parser.parse_args()
    answer = answer_by_test
    if options.answer:
        answer = lambda requests: subprocess.run(
            [options.answer], input=requests.encode(), stdout=subprocess.PIPE,
            check=True).stdout.decode().split("\n")[:-1]
    run = Run(answer)
    for part in options.parts or (["files"] if SHARED else []) + ["scalars", "strings", "pairs", "random"]:
        globals()["part_" + part](run, options)
    print(f"{run.total} compared, {run.differences} differ")
    sys.exit(run.differences > 0)


if __name__ == "__main__":
    main()
