#!/usr/bin/env python3
"""Writes Sources/ClozeTokenizer/Pipeline/ScalarProperties+Data.swift.

    python3 Tests/Fixtures/tokenizer/make_properties.py        (needs the `tokenizers` package)

What only the stages of a tokenizer.json need beside make_tables.py's: compatibility decompositions,
compositions, the classes of regular expressions, numbers, combining marks, and grapheme clusters.
As there, the tables are asked of the installed package, whose parts follow different Unicode
versions. Grapheme clusters are asked of the normalizer Precompiled: a map that replaces every
scalar by X makes one X of a cluster of less than six bytes, and one for each scalar of another.
"""
import os
import struct
import sys

import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers

HERE = os.path.dirname(os.path.abspath(__file__))
TARGET = os.path.join(HERE, "../../../Sources/ClozeTokenizer/Pipeline/ScalarProperties+Data.swift")
SCALARS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
ALL = "".join(map(chr, SCALARS))

# The bits of a scalar's entry; ScalarProperties.swift has the same.
LETTER, NUMBER, SPACE, WORD, DIGIT, PUNCTUATION, SYMBOL, MARK, UPPER, LOWER = (1 << i for i in range(10))
NUMERIC, ACCENT, PICTOGRAPH = 1 << 10, 1 << 11, 1 << 12
CLUSTER, CONJUNCT = 13, 17
CLASS_WORD = 1 << 20
(OTHER, CR, LF, CONTROL, EXTEND, ZWJ, REGIONAL, PREPEND, SPACING, HANGUL_L, HANGUL_V, HANGUL_T, HANGUL_LV,
 HANGUL_LVT) = range(14)
CONSONANT, LINKER, CONJUNCT_EXTEND = 1, 2, 3


def removed_by(normalizer):
    return set(ALL) - set(normalizer.normalize_str(ALL))


def cluster_counter():
    """The number of X that the map described above makes of a text."""
    units = [0] * 768
    units[0] = 256 << 10
    for b in range(1, 256):
        units[256 ^ b] = 768 << 10 | 1 << 8 | b
    blob = struct.pack("<I", len(units) * 4) + b"".join(struct.pack("<I", u) for u in units) + b"X\0"
    normalize = normalizers.Precompiled(blob).normalize_str
    return lambda text: len(normalize(text))


def clusters():
    count = cluster_counter()
    assert count("e\u0301") == 1 and count("ee") == 2 and count("\u0915\u094d\u0915") == 3
    ranges = {HANGUL_L: [(0x1100, 0x115F), (0xA960, 0xA97C)], HANGUL_V: [(0x1160, 0x11A7), (0xD7B0, 0xD7C6)],
              HANGUL_T: [(0x11A8, 0x11FF), (0xD7CB, 0xD7FB)], REGIONAL: [(0x1F1E6, 0x1F1FF)]}
    fixed = {c: k for k, rs in ranges.items() for low, high in rs for c in range(low, high + 1)}
    fixed.update({0xAC00 + i: HANGUL_LVT if i % 28 else HANGUL_LV for i in range(11172)})
    fixed.update({0xD: CR, 0xA: LF, 0x200D: ZWJ})
    entries = {}
    for c in SCALARS:
        s, kind, conjunct, pictograph = chr(c), OTHER, 0, 0
        attaches = c != 0 and count("a" + s) == 1
        if c in fixed:
            kind = fixed[c]
        elif attaches:
            kind = EXTEND if count("\u00a9" + s + "\u200d\u00a9\u0301") == 5 else SPACING
        elif c and count(s + "a") == 1:
            kind = PREPEND
        elif c == 0 or count(s + "\u0301\u0301") == 2:
            kind = CONTROL
        elif c >= 0x10000 and count(s + "\u11a8\u0301") == 3:
            kind = HANGUL_V
        if c and not attaches and kind not in (CONTROL, CR, LF, PREPEND) and count("\u00a9\u200d" + s) == 3:
            pictograph = PICTOGRAPH
        if attaches:
            if count("\u0915" + s + "\u0915\u0301") == 4:
                conjunct = LINKER
            elif count("\u0915\u094d" + s + "\u0915\u0301") == 5:
                conjunct = CONJUNCT_EXTEND
        elif kind == OTHER and count(s + "\u094d\u0915\u0301") == 4:
            conjunct = CONSONANT
        value = kind << CLUSTER | conjunct << CONJUNCT | pictograph
        if value:
            entries[c] = value
    return entries


def entries():
    replace = lambda pattern: removed_by(normalizers.Replace(Regex(pattern), ""))
    sets = {LETTER: r"\p{L}", NUMBER: r"\p{N}", SPACE: r"\s", WORD: r"\w", DIGIT: r"\d", PUNCTUATION: r"\p{P}",
            SYMBOL: r"\p{S}", MARK: r"\p{M}", UPPER: r"\p{Lu}", LOWER: r"\p{Ll}", CLASS_WORD: r"[\w]"}
    sets = {bit: replace(pattern) for bit, pattern in sets.items()}
    sets[ACCENT] = removed_by(normalizers.StripAccents())
    split = pre_tokenizers.Digits(individual_digits=True).pre_tokenize_str
    sets[NUMERIC] = {chr(c) for c in SCALARS if len(split("a" + chr(c) + "a")) == 3}
    values = clusters()
    for bit, members in sets.items():
        for s in members:
            values[ord(s)] = values.get(ord(s), 0) | bit
    return values


def hangul(c):
    return 0xAC00 <= c <= 0xD7A3


def normalization():
    nfd, nfkd, nfc = (n().normalize_str for n in (normalizers.NFD, normalizers.NFKD, normalizers.NFC))
    compatible, pairs = {}, []
    for c in SCALARS:
        s = chr(c)
        if hangul(c):
            continue
        d, k = nfd(s), nfkd(s)
        if k != d:
            compatible[c] = k
        if d != s and nfc(s) == s:
            first = nfc(d[:-1])
            assert len(first) == 1 and len(d) > 1 and nfc(first + d[-1]) == s, hex(c)
            pairs.append((ord(first), ord(d[-1]), c))
    return compatible, sorted(pairs)


def runs(values):
    """(value, count) over all code points; surrogates, which no text holds, join the run before."""
    out = []
    for c in range(0x110000):
        v = values.get(c, 0) if not 0xD800 <= c < 0xE000 else out[-1][0]
        if out and out[-1][0] == v:
            out[-1][1] += 1
        else:
            out.append([v, 1])
    return out


def literal(name, comment, text):
    lines, line = [], ""
    for word in text.split(" "):
        if len(line) + len(word) + 1 > 112:
            lines.append(line)
            line = ""
        line += word + " "
    lines.append(line.rstrip())
    body = "\n".join("    " + l.rstrip() + (" \\" if i + 1 < len(lines) else "") for i, l in enumerate(lines))
    doc = "\n".join("  /// " + l for l in comment.split("\n"))
    return f'{doc}\n  static let {name}: StaticString = """\n{body}\n    """\n'


def main():
    found = entries()
    compatible, pairs = normalization()
    numbers = {}
    entry_text = []
    # A value is written once, then referred to by its place in the list of values.
    for v, n in runs(found):
        numbers.setdefault(v, len(numbers))
        entry_text.append(f"{numbers[v]} {n}")
    compatible_text, last = [], 0
    for c, k in sorted(compatible.items()):
        compatible_text.append(f"{c - last} {len(k)} " + " ".join(str(ord(x)) for x in k))
        last = c
    pair_text, last = [], 0
    for a, b, c in pairs:
        pair_text.append(f"{a - last} {b} {c}")
        last = a
    with open(TARGET, "w") as f:
        f.write("// Generated by Tests/Fixtures/tokenizer/make_properties.py from the behaviour of the Python\n"
                f"// package tokenizers {tokenizers.__version__}. Do not edit.\n\n"
                "/// The tables of `ScalarProperties`, as decimal numbers in ASCII, which compile fast.\n"
                "enum ScalarPropertyData {\n")
        f.write(literal("values", "The values that entries have.", " ".join(map(str, numbers))) + "\n")
        f.write(literal("entries", "Over all code points from 0: place in `values`, number of code points.",
                        " ".join(entry_text)) + "\n")
        f.write(literal("compatible", "Distance from the code point before, length, the full compatibility decomposition\n"
                        "where it is not the canonical one.", " ".join(compatible_text)) + "\n")
        f.write(literal("compositions", "Distance of the first scalar from that before, the second scalar, their composition.",
                        " ".join(pair_text)))
        f.write("}\n")
    print(len(numbers), "values", len(entry_text), "runs", len(compatible), "decompositions", len(pairs), "pairs",
          os.path.getsize(TARGET), "bytes")


if __name__ == "__main__":
    sys.exit(main())
