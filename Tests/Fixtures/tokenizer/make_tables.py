#!/usr/bin/env python3
"""Writes Sources/ClozeTokenizer/Normalization/UnicodeTables+Data.swift and every-scalar.txt.

    python3 Tests/Fixtures/tokenizer/make_tables.py        (needs the `tokenizers` package)

The tables are not taken from a Unicode version, but asked of the installed package, one scalar
at a time: its parts follow different versions (character categories, normalisation, lowercase,
regular expressions), and what counts is what it does.
"""
import os
import sys
import unicodedata

import tokenizers
from tokenizers import AddedToken, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordPiece

HERE = os.path.dirname(os.path.abspath(__file__))
TARGET = os.path.join(HERE, "../../../Sources/ClozeTokenizer/Normalization/UnicodeTables+Data.swift")
SCALARS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]

# The bits of a scalar's entry; UnicodeTables.swift has the same.
CLEANED, WHITESPACE, CJK, PUNCTUATION, NONSPACING, DECOMPOSES, LOWERCASES, WORD, NONSTARTER = (
    1 << i for i in range(9))


def bert(**switches):
    off = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**off, **switches}).normalize_str


def hangul(c):
    return 0xAC00 <= c <= 0xD7A3


def combining_classes(nfd):
    """Canonical combining class of each scalar that has one, as the order that NFD makes shows."""
    # One known scalar per class, old enough for every version; U+0345 has the highest, 240.
    known = {}
    for c in SCALARS:
        k = unicodedata.combining(chr(c))
        if k and k not in known and unicodedata.normalize("NFD", chr(c)) == chr(c):
            before = nfd("a\u0345" + chr(c))
            if k == 240 or before == "a" + chr(c) + "\u0345":
                known[k] = chr(c)
    order = sorted(known)
    classes = {}
    for c in SCALARS:
        s = chr(c)
        if nfd(s) != s:
            continue
        if s == "\u0345":
            classes[c] = 240
        elif nfd("a\u0345" + s) == "a" + s + "\u0345":
            for k in order:
                # The order of two marks is kept where their classes are equal.
                if nfd("a" + known[k] + s) == "a" + known[k] + s and (
                        nfd("a" + s + known[k]) == "a" + s + known[k]):
                    classes[c] = k
                    break
            else:
                sys.exit(f"U+{c:04X} has a class that no known scalar has")
    return classes


def observe():
    clean, cjk, strip = bert(clean_text=True), bert(handle_chinese_chars=True), bert(strip_accents=True)
    nfd, lower = normalizers.NFD().normalize_str, normalizers.Lowercase().normalize_str
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    word = Tokenizer(WordPiece({"[UNK]": 0, "zz": 1}, unk_token="[UNK]"))
    word.add_tokens([AddedToken("zz", single_word=True, normalized=False)])
    classes = combining_classes(nfd)
    flags, decompositions, lowers = {}, {}, {}
    for c in SCALARS:
        s, f = chr(c), 0
        if clean(s) == "":
            f |= CLEANED
        pieces = [p for p, _ in split("a" + s + "a")]
        if pieces == ["a", "a"]:
            f |= WHITESPACE
        elif pieces == ["a", s, "a"]:
            f |= PUNCTUATION
        else:
            assert pieces == ["a" + s + "a"], hex(c)
        if not f & CLEANED and c not in (9, 10, 13):
            assert clean(s) == (" " if f & WHITESPACE else s), hex(c)
        if cjk(s) != s:
            assert cjk(s) == " " + s + " "
            f |= CJK
        if nfd(s) != s:
            f |= DECOMPOSES
            decompositions[c] = nfd(s)
        elif strip(s) == "":
            f |= NONSPACING
        if lower(s) != s:
            f |= LOWERCASES
            lowers[c] = lower(s)
        if 1 not in word.encode("zz" + s).ids:
            f |= WORD
        else:
            assert 1 in word.encode(s + "zz").ids, hex(c)
        if c in classes:
            f |= NONSTARTER
        flags[c] = f
    # What a scalar decomposes into decomposes no further, and is stripped as on its own.
    for c, d in decompositions.items():
        assert all(ord(x) not in decompositions for x in d), hex(c)
        assert strip(chr(c)) == "".join(x for x in d if not flags[ord(x)] & NONSPACING), hex(c)
    return flags, classes, decompositions, lowers


def runs(values, default):
    """(value, count) over all code points; surrogates, which no text holds, join the run before."""
    out = []
    for c in range(0x110000):
        v = values.get(c, default) if not 0xD800 <= c < 0xE000 else out[-1][0]
        if out and out[-1][0] == v:
            out[-1][1] += 1
        else:
            out.append([v, 1])
    return out


def literal(name, comment, text):
    lines, line = [], ""
    for word in text.split(" "):
        if len(line) + len(word) + 1 > 92:
            lines.append(line)
            line = ""
        line += word + " "
    lines.append(line.rstrip())
    body = "\n".join("    " + l.rstrip() + (" \\" if i + 1 < len(lines) else "") for i, l in enumerate(lines))
    doc = "\n".join("  /// " + l for l in comment.split("\n"))
    return f'{doc}\n  static let {name}: StaticString = """\n{body}\n    """\n'


def main():
    flags, classes, decompositions, lowers = observe()

    parts = [f"{v} {n}" for v, n in runs(flags, 0)]
    flag_text = " ".join(parts)

    class_runs, at = [], 0
    for v, n in runs(classes, 0):
        if v:
            class_runs.append(f"{at} {n} {v}")
        at += n

    # Arithmetic runs: first, count, step, what is added to make the lowercase.
    simple = sorted((c, ord(l)) for c, l in lowers.items() if len(l) == 1)
    special = {c: l for c, l in lowers.items() if len(l) != 1}
    assert special == {0x130: "i\u0307"}, special
    arithmetic = []
    for c, l in simple:
        if arithmetic:
            first, count, step, delta = arithmetic[-1]
            if delta == l - c and (
                    (count == 1 and c - first in (1, 2)) or (count > 1 and c == first + count * step)):
                arithmetic[-1] = (first, count + 1, c - first if count == 1 else step, delta)
                continue
        arithmetic.append((c, 1, 1, l - c))
    lower_text = " ".join(f"{a} {n} {s} {d}" for a, n, s, d in arithmetic)

    decomposition_text, last = [], 0
    for c in sorted(decompositions):
        d = [ord(x) for x in decompositions[c]]
        if hangul(c):
            i = c - 0xAC00
            want = [0x1100 + i // 588, 0x1161 + i % 588 // 28] + ([0x11A7 + i % 28] if i % 28 else [])
            assert d == want, hex(c)
            continue
        decomposition_text.append(f"{c - last} {len(d)} " + " ".join(map(str, d)))
        last = c

    with open(TARGET, "w") as f:
        f.write("// Generated by Tests/Fixtures/tokenizer/make_tables.py from the behaviour of the Python\n"
                f"// package tokenizers {tokenizers.__version__}. Do not edit.\n\n"
                "/// The tables of `UnicodeTables`, as decimal numbers in ASCII, which compile fast.\n"
                "enum UnicodeData {\n")
        f.write(literal("flags", "Over all code points from 0: flags, number of code points.", flag_text) + "\n")
        f.write(literal("combiningClasses", "First code point, number of code points, class; 0 elsewhere.",
                        " ".join(class_runs)) + "\n")
        f.write(literal("lowercase", "First code point, count, step, what is added; U+0130, the only one\n"
                        "with two results, is not in it.", lower_text) + "\n")
        f.write(literal("decompositions", "Distance from the code point before, length, the full canonical\n"
                        "decomposition; Hangul syllables are computed.", " ".join(decomposition_text)))
        f.write("}\n")
    print(len(flag_text), len(parts), "flags", len(class_runs), "classes", len(arithmetic), "lower",
          len(decomposition_text), "decompositions", os.path.getsize(TARGET), "bytes")


main()
