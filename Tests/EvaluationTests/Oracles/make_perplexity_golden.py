"""Writes perplexity-golden.json: perplexities of short texts under checkpoints/base.h5, by lm-evaluation-harness's own windows
and word count, in float64.

    occult convert checkpoints/base.h5 base-folder
    python make_perplexity_golden.py base-folder        # lm_eval 0.4.13, transformers 5.24.0, torch 2.13
"""

import json
import pathlib
import re
import sys

import torch
from lm_eval import utils
from transformers import AutoModelForCausalLM, AutoTokenizer

folder = sys.argv[1]
model = AutoModelForCausalLM.from_pretrained(
    folder, dtype=torch.float64, attn_implementation="eager", experts_implementation="eager").eval()
tokenizer = AutoTokenizer.from_pretrained(folder)
TEXT = ("The old man sat by the fire. Outside, the snow was falling on the village, and nobody came.\n\n"
        "“Who is there?” he asked at last, though he had heard nothing at all.\n")


def negative(tokens, scored):
    """-log p of the last tokens, each from those before it."""
    with torch.no_grad():
        logits = model(torch.tensor([tokens[:-1]])).logits[0].double().log_softmax(-1)
    return [-logits[i, tokens[i + 1]].item() for i in range(len(tokens) - 1 - scored, len(tokens) - 1)]


def rolling(text, length):
    prefix = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    windows = map(utils.make_disjoint_window,
                  utils.get_rolling_token_windows(tokenizer(text)["input_ids"], prefix, length, 1))
    return sum(sum(negative(context + continuation, len(continuation))) for context, continuation in windows)


cases = []
for length in (8, 16, 64):
    total = rolling(TEXT, length)
    ids = tokenizer(TEXT)["input_ids"]
    blocks = [ids[i:i + length] for i in range(0, len(ids), length)]
    losses = [x for block in blocks if len(block) > 1 for x in negative(block, len(block) - 1)]
    cases.append({"length": length, "nll": total, "words": len(re.split(r"\s+", TEXT)), "bytes": len(TEXT.encode()),
                  "loss": sum(losses) / len(losses)})
path = pathlib.Path(__file__).parent / "perplexity-golden.json"
path.write_text(json.dumps({"text": TEXT, "cases": cases}, ensure_ascii=False, indent=1) + "\n")
