"""Writes tokenizer-golden.json: what Hugging Face tokenizers makes of difficult texts, for both tokenizers here.

    python make_tokenizer_golden.py        # tokenizers 0.23.3

base.tokenizer.json belongs to the base model (checkpoints/README.md); olmoe.tokenizer.json is OLMoE's (Apache-2.0),
both minified: `json.dumps(file, ensure_ascii=False, separators=(",", ":"))`.
"""

import json
import pathlib
import random

import tokenizers

here = pathlib.Path(__file__).parent

texts = [
    "", " ", "  ", "\n", "a", "The old man sat by the fire and", "Hello, world! It's 9 o'clock; we'll, they've, I'd, I'm, you're, DON'T, 'S 's 't",
    "'tis 'twas 're'll''s '''d ' s", "x  y   z    w     v", " leading", "trailing ", "trailing   ", "   both   ", "a \n b", "a\n\nb\n\n\nc",
    "a\r\nb\r\n\r\nc\r", "tab\tone\t\ttwo\t \tthree", "\t\n \t\n  x", " \u00a0x\u00a0y \u2003z\u3000w\u200bv\u0085q\u2028r\u2029s\x0bt\x0cu\x1cv\x1fw",
    *("a" + " " * n + "b" for n in (2, 3, 4, 5, 8, 16, 23, 24, 25, 26, 48, 49, 50, 100)),
    *(" " * n for n in (3, 24, 25, 47, 60)), "line\n" + " " * 30 + "deep", " " * 24 + "\n" + " " * 7 + "\t" + " " * 3 + "x ",
    "def f(x):\n    if x > 0:\n        return x**2  # square\n    else:\n\t\treturn -x\n", "for (int i = 0; i < n; ++i) { a[i] += b[i] * 2.5e-3f; }",
    "{\"key\": [1, 2.0, null, \"v\\n\"], \"k2\": {}}", "https://example.org/a_b/c?d=e&f=%20#g", "<html><body>&amp;</body></html>",
    "0 1 12 123 1234 12345678901234567890 3.14159 1,000,000 1/2 ½ ² ³ ٣٤ ४५ Ⅷ ① 万 〇 x²y³ 10kg", "$5.00 £3 €2 ¥100 10% #1 @home a&b c|d ~ ` ^ \\ /",
    "café naïve Zürich Ærøskøbing straße ÀÉÎÕÜ", "cafe\u0301 nai\u0308ve Zu\u0308rich A\u030angstro\u0308m", "\u212b \u2126 \u1e69 s\u0323\u0307 s\u0307\u0323 q\u0307\u0323",
    "e\u0301\u0302\u0303\u0304 \u0301alone \u0301\u0301", "\u0958 \u0915\u093c \u09dc \u0a33 \u0b94 \u0b92\u0bd7", "\u1100\u1161\u11a8 각 가\u11a8 한국어 텍스트",
    "가\u11a7 가\u11c3 \u1113\u1174 \u1100\u1176 가\u11c2\u11a8 \u07fd\u0327 \u0898\u0323 q\u1e008\u0323 \u0f73\u08ee",
    "\ufb01 \ufb03 ﷺ ﬀ Ⅻ ａｂｃ １２３", "\u0344 \u0340 \u0341 \u0374 \u037e \u0387 \u1f71 \u2000 \u2001 \u2329 \uf900 \U0002f800",
    "😀 😃😄 👍🏽 👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪🇫🇷 ❤️ ☃ 1️⃣ 🧑🏿‍🚀", "emoji😀in😀words 🤖🤖🤖", "中文字符测试。日本語のテスト、カタカナ・ひらがな。", "русский язык Ελληνικά עברית العربية हिन्दी ไทย தமிழ் ქართული አማርኛ",
    "مَرْحَبًا שָׁלוֹם", "नमस्ते दुनिया क्षत्रिय", "Tiếng Việt: Trường học, nghĩa vụ", "Tiê\u0301ng Viê\u0323t",
    "𝒜𝓃 𝔘𝔫𝔦 𝟘𝟙𝟚 𐍈 𓀀 𠀀", "\ufeffBOM at the start \ufeff inside", "\ufffd\ufffe\uffff \U0010ffff \x00\x01\x02\x7f\x80\x9f", "zero\u200bwidth\u200cnon\u200djoiner\u2060word\u00adhyphen",
    "a" * 1, "a" * 17, "a" * 500, "A" * 300, "ab" * 250, "z" * 1000, "." * 200, "-" * 80 + "=" * 80, "!" * 65 + "?" * 65, "1" * 300, "é" * 120, "中" * 120, "😀" * 40, "ha" * 100 + "!",
    "\n" * 40, "\t" * 40, "\r\n" * 20, " \n" * 20, "a\n" * 30, "word " * 60,
    "<|endoftext|>", "before<|endoftext|>after", " <|endoftext|> ", "<|endoftext|><|endoftext|>\n<|padding|>", "<|endoftext|", "<<|endoftext|>>", "<|endoftext|>  <|padding|>   x", "<|ENDOFTEXT|>",
    "mail |||EMAIL_ADDRESS||| phone |||PHONE_NUMBER||| ip |||IP_ADDRESS||||", "||||IP_ADDRESS|||", "|||IP_ADDRESS", "e<|endoftext|>\u0301", "a\u0301<|padding|>o\u0308",
    "Ġthe Ċ ĠĠ Ã© âĢĻ", "“Curly” ‘quotes’ – en — em … ellipsis • bullet™ ©®", "Below is an instruction that describes a task.\n\n### Instruction:\nConvert 45 kilometers to meters.\n\n### Response:45 kilometers is 45000 meters.",
    "Natalia sold 48/2 = <<48/2=24>>24 clips in May.\n#### 72", "MixedCASE camelCase snake_case kebab-case SCREAMING_SNAKE x1y2z3 H2O C++ C# .NET", "A.B.C. U.S.A. e.g. i.e. etc... wait...what?!",
    "\u1c89\ua7cb\ua7ce \u088f \U00010d40 \U0001e5d0 \U000323b0 \U00033479",
]

random.seed(20250711)
alphabet = list("abcdefgh  ABC\n\t .,;'\"!?-_<>|0123456789") + ["é", "e\u0301", "ß", "中", "😀", "\u200d", "\u0301", "\u0323", "ل", "\u00a0", "\u3000", "²", "\u1161", "\u1100", "'s", "'ll", "<|endoftext|>", "    "]
texts += ["".join(random.choices(alphabet, k=random.randint(1, 90))) for _ in range(300)]
scalars = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
texts += ["".join(chr(random.choice(scalars[:0x3000])) for _ in range(40)) for _ in range(60)]
texts += ["".join(chr(random.choice(scalars)) for _ in range(40)) for _ in range(30)]

golden = {"tokenizers": tokenizers.__version__, "texts": texts, "models": {}}
for name in ("base", "olmoe"):
    tokenizer = tokenizers.Tokenizer.from_file(str(here / f"{name}.tokenizer.json"))
    ids = [tokenizer.encode(t).ids for t in texts]
    size = tokenizer.get_vocab_size()
    loose = [[random.randrange(size) for _ in range(12)] for _ in range(150)] + [i[1:-1] for i in ids[-90:]]
    golden["models"][name] = {
        "ids": ids,
        "decoded": [tokenizer.decode(i, skip_special_tokens=False) for i in ids],
        "skipped": [tokenizer.decode(i, skip_special_tokens=True) for i in ids],
        # Any tokens at all, of which the bytes are seldom UTF-8.
        "loose_ids": loose,
        "loose_decoded": [tokenizer.decode(i, skip_special_tokens=False) for i in loose],
    }
    # What decodes to its text need not be written twice.
    model = golden["models"][name]
    model["decoded"] = [None if d == t else d for d, t in zip(model["decoded"], texts)]
    model["skipped"] = [None if d == t else d for d, t in zip(model["skipped"], texts)]

(here / "tokenizer-golden.json").write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")) + "\n")
