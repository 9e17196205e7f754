"""Cuts the data of the recipes out of the originals that SOURCE.md names.

    python make.py FOLDER      # FOLDER holds gsm8k/, alpaca_small/, gutenberg/ and wikitext2/

Needs Python only. The same originals give the same bytes.
"""

import json
import pathlib
import random
import re
import sys

originals = pathlib.Path(sys.argv[1])
here = pathlib.Path(__file__).parent


def write(name, text):
    (here / name).write_text(text, encoding="utf-8")
    print(f"{name}: {len(text.encode()):,} bytes")


def read(name):
    return (originals / name).read_text(encoding="utf-8-sig").replace("\r\n", "\n")


# GSM8K: problems drawn without replacement and kept in the order of the original, byte for byte.
for name, source, count in (("gsm8k-train.jsonl", "train.jsonl", 2000), ("gsm8k-test.jsonl", "test.jsonl", 300)):
    lines = read(f"gsm8k/{source}").rstrip("\n").split("\n")
    chosen = sorted(random.Random(1).sample(range(len(lines)), count))
    write(name, "".join(lines[i] + "\n" for i in chosen))

# Instructions: 200 for the test, the rest for training. Entries with the same instruction stay on one side.
entries = json.loads(read("alpaca_small/instruction-data.json"))
groups = {}
for entry in entries:
    groups.setdefault(entry["instruction"].strip().lower(), []).append(entry)
keys = list(groups)
random.Random(1).shuffle(keys)
held, size = set(), 0
for key in keys:
    if size + len(groups[key]) <= 200:
        held.add(key)
        size += len(groups[key])
for name, wanted in (("instructions-train.json", False), ("instructions-test.json", True)):
    part = [e for e in entries if (e["instruction"].strip().lower() in held) == wanted]
    write(name, json.dumps(part, ensure_ascii=False, indent=0) + "\n")


# Novels: the text between Gutenberg's two lines of stars, lines joined inside paragraphs. From the middle of each of
# five, whole paragraphs of about 80 kB.
def novel(name):
    text = read(f"gutenberg/{name}")
    start = re.search(r"^\*\*\* ?START OF.*\*\*\*$", text, re.M).end()
    end = re.search(r"^\*\*\* ?END OF", text, re.M).start()
    paragraphs = re.split(r"\n\s*\n", text[start:end])
    return [p for p in (" ".join(p.split()) for p in paragraphs) if p]


parts = []
for name in (
    "pride-and-prejudice-1342-0.txt",
    "moby-dick-or-the-whale-2701-0.txt",
    "great-expectations-1400-0.txt",
    "jane-eyre-1260.txt",
    "the-adventures-of-sherlock-holmes-1661.txt",
):
    paragraphs = novel(name)
    first, size = len(paragraphs) // 2, 0
    for last in range(first, len(paragraphs)):
        size += len(paragraphs[last].encode()) + 2
        if size >= 80_000:
            break
    parts += paragraphs[first : last + 1]
write("base-profile.txt", "\n\n".join(parts) + "\n")


# WikiText: the blanks that its tokenisation put around marks are taken out; <unk> stays, as the original has it.
def detokenise(line):
    line = line.strip()
    line = line.replace(" @-@ ", "-").replace(" @,@ ", ",").replace(" @.@ ", ".")
    line = re.sub(r" ([.,;:!?%)\]}])", r"\1", line)
    line = re.sub(r"([(\[{$£#]) ", r"\1", line)
    line = re.sub(r" (n't|'(?:s|t|re|ve|m|ll|d))\b", r"\1", line)
    line = re.sub(r'" ([^"]*?) ?"', r'"\1"', line)
    line = re.sub(r" ' ([^']*?) ' ", r" '\1' ", line)
    line = re.sub(r"(?<=s) ' (?=[a-z])", "' ", line)
    line = re.sub(r"=(?: =)+", lambda m: m.group().replace(" ", ""), line)
    return line.replace(" – ", "–") if re.search(r"\d – \d", line) else line


articles = [[]]
for line in read("wikitext2/test.txt").split("\n"):
    if re.match(r"^ = [^=].* = $", line):
        articles.append([])
    if line.strip():
        articles[-1].append(detokenise(line))
# Whole articles, evenly over the split, until about 300 kB. A paragraph a line, a blank line between paragraphs.
articles = [a for a in articles if a]
chosen, size = set(), 0
for i in random.Random(1).sample(range(len(articles)), len(articles)):
    length = sum(len(line.encode()) + 2 for line in articles[i])
    if size + length <= 300_000:
        chosen.add(i)
        size += length
write("wikitext-test.txt", "\n\n".join("\n\n".join(articles[i]) for i in sorted(chosen)) + "\n")
