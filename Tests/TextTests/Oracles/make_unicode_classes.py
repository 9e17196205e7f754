"""Writes Sources/Text/UnicodeClasses.swift and UnicodeWords.swift: the classes of scalars that patterns and rules of
Hugging Face tokenizers speak of. It asks the library itself, so the answers hold for the Unicode versions compiled into
it (16.0 for patterns in tokenizers 0.23.3), whatever version the Swift runtime knows.

    python make_unicode_classes.py ../../../Sources/Text
"""

import pathlib
import sys

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers

folder = pathlib.Path(sys.argv[1])
made = f"// Made by Tests/TextTests/Oracles/make_unicode_classes.py with tokenizers {tokenizers.__version__}; do not edit.\n"
scalars = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
text = "".join(map(chr, scalars))
names = ["Cn", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po",
         "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co"]


def matched(step):
    """The scalars that a step cuts out."""
    return {ord(c) for piece, _ in step.pre_tokenize_str(text) for c in piece}


def of_class(pattern):
    return matched(pre_tokenizers.Split(Regex(pattern), "removed", invert=True))


def ranges(values):
    found = []
    for value in sorted(values):
        if found and found[-1][1] == value - 1:
            found[-1][1] = value
        else:
            found.append([value, value])
    return found


def table(name, comment, rows):
    lines = ["", f"  /// {comment}", f"  static let {name}: [UInt32] = [", "   "]
    for row in rows:
        if len(lines[-1]) + 1 + len(row) > 118:
            lines.append("   ")
        lines[-1] += " " + row
    return "\n".join(lines + ["  ]", ""])


def table_of_ranges(name, comment, values):
    return table(name, comment + ": first and last scalar of each range, ascending.",
                 [f"0x{a:X}, 0x{b:X}," for a, b in ranges(values)])


category = {}
for index, name in enumerate(names):
    for value in of_class(rf"\p{{{name}}}"):
        assert value not in category
        category[value] = index
assert len(category) == len(scalars)
for letter in "LMNPSZ":
    assert of_class(rf"\p{{{letter}}}") == {v for v, i in category.items() if names[i][0] == letter}, letter
assert of_class(r"\d") == {v for v, i in category.items() if names[i] == "Nd"}
starts = [(v, category[v]) for v in scalars if v == 0 or category.get(v - 1) != category[v]]

(folder / "UnicodeClasses.swift").write_text(
    made
    + "\n/// Classes of scalars in patterns, as Hugging Face tokenizers has them.\nenum UnicodeClasses {\n"
    + "  /// Names of the general categories, by the number that ``categories`` gives them.\n"
    + "  static let names =\n    \"" + " ".join(names) + "\"\n    .split(separator: \" \").map(String.init)\n"
    + table("categories", "First scalar of each run of one category, ascending, times 256, plus the category's number.",
            [f"0x{v:X}{i:02X}," for v, i in starts])
    + table_of_ranges("spaces", r"`\s`", of_class(r"\s")) + "}\n")

single = Tokenizer(models.BPE(vocab={"Q": 0}, merges=[]))
single.add_tokens([AddedToken("QQ", single_word=True)])
words = {c for c in scalars if 1 not in single.encode(chr(c) + "QQ").ids}
digits = {
    ord(p) for p, _ in pre_tokenizers.Digits(individual_digits=True).pre_tokenize_str("a".join(map(chr, scalars)))
    if len(p) == 1 and p != "a"}
(folder / "UnicodeWords.swift").write_text(
    made
    + "\n/// Classes of scalars in rules that Hugging Face tokenizers does not write as patterns.\nextension UnicodeClasses {"
    + table_of_ranges("words", "What a word consists of, for `single_word`", words)
    + table_of_ranges("digits", "What the pre-tokenizer `Digits` takes for a digit", digits) + "}\n")
