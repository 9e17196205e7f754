"""Tables as Python's csv module reads them: writes csv-golden.json beside this file.

    python Tests/TextTests/Oracles/make_csv_golden.py        (Python 3.11)

Each case has the text, whether its cells are parted by tabs, and the records that are not empty, or null where a quote is
never closed (Python takes what is there; we refuse it). Files are read with newline="", as the csv module asks for.
"""

import csv
import io
import json
import pathlib
import random


def read(text, tabs):
    stream = io.StringIO(text, newline="")
    if tabs:
        return [row for row in csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE) if row]
    # Inside of quotes what follows is no record of its own.
    if list(csv.reader(io.StringIO(text + "\nZ", newline="")))[-1] != ["Z"]:
        return None
    return [row for row in csv.reader(stream) if row]


texts = [
    'question,b\n"x, ""y""\nz",2\n\n"","3"\r\n',
    'a,b\r\n"one\rtwo",1\r\n"one\r\ntwo",2\r\n"one\ntwo",3',
    'a,b\rc,d\re,f',
    '"a"b,c"d"\n" ""x"" ",""\n',
    '\r\n\r\n,\n""\n',
    "\u00e9,\u4f60\u597d\n\u2028,\x85\n",
    '"Let V be\r\nthe set",A\n',
]
random.seed(7)
for _ in range(300):
    texts.append("".join(random.choice(['a', 'b', ',', ',', '"', '"', '\r', '\n', '\r\n', ' ', '\u00e9'])
                         for _ in range(random.randint(1, 14))))
cases = []
for number, text in enumerate(texts):
    records = read(text, False)
    cases.append({"text": text, "tabs": False, "records": records})
    if number % 3 == 0:
        tabbed = text.replace(",", "\t")
        cases.append({"text": tabbed, "tabs": True, "records": read(tabbed, True)})
lines = ",\n".join(json.dumps(case, ensure_ascii=True) for case in cases)
pathlib.Path(__file__).with_name("csv-golden.json").write_text("[\n" + lines + "\n]\n", encoding="utf-8")
print(len(cases), "cases,", sum(case["records"] is None for case in cases), "with an open quote")
