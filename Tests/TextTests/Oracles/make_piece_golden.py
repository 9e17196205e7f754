"""Writes piece-golden.json: what AutoTokenizer makes of folders that have families/tiny.model as their tokenizer.model, a
config.json and mostly a tokenizer_config.json, but no tokenizer.json.

    python make_piece_golden.py        # transformers 5.24.0, tokenizers 0.23.3, sentencepiece 0.2.3
"""

import json
import os
import pathlib
import random
import shutil
import tempfile

os.environ["TRANSFORMERS_VERBOSITY"] = "critical"
os.environ["HF_HUB_OFFLINE"] = "1"
from transformers import AutoTokenizer  # noqa: E402

here = pathlib.Path(__file__).parent
LLAMA = {"tokenizer_class": "LlamaTokenizer"}
NAMED = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
DECODER = {str(i): {"content": c, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False,
                    "special": True} for i, c in enumerate(["<unk>", "<s>", "</s>"])}
CASES = [
    ("mixtral", None), ("mixtral", {}), ("mixtral", LLAMA), ("mixtral", {"add_bos_token": True}),
    ("mixtral", {**LLAMA, **NAMED, "add_bos_token": True, "add_eos_token": False}),
    ("mixtral", {**LLAMA, "add_bos_token": False, "add_eos_token": True}),
    ("mixtral", {"bos_token": None, "add_bos_token": True, "add_eos_token": True}),
    ("mixtral", {**LLAMA, **NAMED, "legacy": False, "add_bos_token": True}),
    ("mixtral", {**LLAMA, **NAMED, "legacy": True, "add_bos_token": True}),
    ("mixtral", {**LLAMA, "added_tokens_decoder": DECODER, **NAMED, "legacy": False, "add_bos_token": True}),
    ("mixtral", {**LLAMA, "added_tokens_decoder": {**DECODER, "900": {**DECODER["1"], "content": "<|new|>"}}, **NAMED}),
    ("deepseek_v2", LLAMA), ("deepseek_v2", {**LLAMA, "legacy": True, "add_bos_token": True}),
    ("deepseek_v2", {**LLAMA, "add_prefix_space": False}), ("deepseek_v2", {"tokenizer_class": "LlamaTokenizerFast", **NAMED}),
    ("deepseek_v2", {"tokenizer_class": "PreTrainedTokenizerFast", "add_bos_token": True}),
]
TEXTS = ["", "the", " the", "  the", "the ", "▁ ▁▁a", "<s>the</s> the<unk>x", "</s>", "a\n b\t c\r\n", "é e\u0301 漢字 🎉",
         "<0x0A>", "<|new|> the<|new|>the"]

if __name__ == "__main__":
    random.seed(7)
    alphabet = [*"abcdefgh eto ,.\n▁é漢", "<s>", "</s>", "the", " "]
    texts = TEXTS + ["".join(random.choice(alphabet) for _ in range(random.randint(1, 25))) for _ in range(60)]
    cases = []
    for model_type, configuration in CASES:
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            shutil.copy(here / "families/tiny.model", folder / "tokenizer.model")
            (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
            if configuration is not None:
                (folder / "tokenizer_config.json").write_text(json.dumps(configuration))
            tokenizer = AutoTokenizer.from_pretrained(folder)
        ids = [tokenizer.encode(text) for text in texts]
        cases.append({"model_type": model_type, "configuration": configuration, "class": type(tokenizer).__name__,
                      "beginning": tokenizer.bos_token_id, "ids": ids, "decoded": [tokenizer.decode(i) for i in ids]})
    golden = {"texts": texts, "cases": cases}
    (here / "piece-golden.json").write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")) + "\n")
