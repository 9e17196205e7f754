"""Writes Sources/Text/UnicodeClasses.swift: which scalars the GPT-2 pattern of Hugging Face tokenizers takes for
letters, numbers and white space. It asks the library itself, scalar by scalar, so the answer holds for the Unicode
version compiled into it (16.0 in tokenizers 0.23.3), whatever version the Swift runtime knows.

    python make_unicode_classes.py > ../../../Sources/Text/UnicodeClasses.swift
"""

import tokenizers
from tokenizers import pre_tokenizers

pieces = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True).pre_tokenize_str


def kind(c):
    """A scalar is of the kind of the known character it stays together with."""
    for name, known in (("letter", "a"), ("number", "1"), ("other", "!")):
        if len(pieces(known + c)) == 1:
            return name
    return "space"


def ranges(name, kinds):
    found = []
    for value, k in kinds:
        if k != name:
            continue
        if found and found[-1][1] == value - 1:
            found[-1][1] = value
        else:
            found.append([value, value])
    return found


def table(name, comment, kinds):
    rows = [f"0x{a:X}, 0x{b:X}," for a, b in ranges(name, kinds)]
    print(f"\n  /// {comment}: first and last scalar of each range, ascending.")
    print(f"  static let {name}s: [UInt32] = [")
    line = "   "
    for row in rows:
        if len(line) + 1 + len(row) > 118:
            print(line)
            line = "   "
        line += " " + row
    print(line)
    print("  ]")


kinds = [(v, kind(chr(v))) for v in range(0x110000) if not 0xD800 <= v < 0xE000]
print(f"// Made by Tests/TextTests/Oracles/make_unicode_classes.py with tokenizers {tokenizers.__version__}; do not edit.")
print("\n/// The Unicode classes of the GPT-2 pattern, as Hugging Face tokenizers has them.")
print("enum UnicodeClasses {", end="")
table("letter", "`\\p{L}`", kinds)
table("number", "`\\p{N}`", kinds)
table("space", "`\\s`", kinds)
print("}")
