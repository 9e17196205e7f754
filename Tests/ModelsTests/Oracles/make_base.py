#!/usr/bin/env python3
"""Writes base/reference.json: what transformers computes in float64 for the small trained model behind checkpoints/.

    python make_base.py FOLDER [--out base/reference.json]

FOLDER is the model in Hugging Face layout (the one checkpoints/README.md describes; `occult convert` makes it again from
the checkpoint). Its bfloat16 weights are widened, never rounded further. README.md says what the file holds.
"""
import argparse
import json
import pathlib
import sys

import numpy as np
import tokenizers
import torch
import transformers

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "scripts"))
import float64_reference  # noqa: E402

PROMPTS = ["The old man sat by the fire and", "Question: What is 2 + 3?\nAnswer:"]
NEW_IDS, TEXT_IDS = 16, 128
# A. Lincoln, Gettysburg, 1863 (public domain).
TEXT = """Four score and seven years ago our fathers brought forth on this continent, a new nation, conceived in \
Liberty, and dedicated to the proposition that all men are created equal. Now we are engaged in a great civil war, \
testing whether that nation, or any nation so conceived and so dedicated, can long endure. We are met on a great \
battle-field of that war. We have come to dedicate a portion of that field, as a final resting place for those who \
here gave their lives that that nation might live. It is altogether fitting and proper that we should do this."""


def smallest_gap(values):
    return min(float(value) for name, value in values.items() if name.startswith("topk_gap/"))


def prompt_reference(model, tokenizer, prompt):
    """Logits of the last position, and the greedy continuation with the distance to the runner-up at every step."""
    ids = tokenizer.encode(prompt).ids
    greedy, gaps, first, routing_gaps = list(ids), [], None, []
    for _ in range(NEW_IDS):
        batch = np.array([greedy])
        values = float64_reference.trace(model, batch, batch, gradients=False)
        last = values["logits"][0, -1]
        first = last if first is None else first
        runner_up, best = np.sort(last)[-2:]
        gaps.append(float(best - runner_up))
        routing_gaps.append(smallest_gap(values))
        greedy.append(int(last.argmax()))
    return {"prompt": prompt, "input_ids": ids, "last_logits": [float(f"{x:.9g}") for x in first],
            "greedy_ids": greedy[len(ids):], "greedy_text": tokenizer.decode(greedy[len(ids):]),
            "smallest_greedy_gap": min(gaps), "smallest_topk_gap": routing_gaps[0],
            "smallest_topk_gap_while_decoding": min(routing_gaps)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "base" / "reference.json")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    model = float64_reference.load(arguments.folder)
    tokenizer = tokenizers.Tokenizer.from_file(str(arguments.folder / "tokenizer.json"))
    ids = tokenizer.encode(TEXT).ids[:TEXT_IDS]
    if len(ids) != TEXT_IDS:
        raise SystemExit(f"expected at least {TEXT_IDS} ids of text, found {len(ids)}; lengthen TEXT")
    batch = np.array([ids])
    values = float64_reference.trace(model, batch, batch, gradients=False)
    reference = {
        "arithmetic": "float64", "torch": torch.__version__, "transformers": transformers.__version__,
        "prompts": [prompt_reference(model, tokenizer, prompt) for prompt in PROMPTS],
        "text": {"input_ids": ids, "predicted_tokens": len(ids) - 1, "loss": float(values["loss"]),
                 "aux_loss": float(values["aux_loss"]), "smallest_topk_gap": smallest_gap(values)},
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(reference) + "\n")
    print(json.dumps({**reference["text"], "input_ids": None}))
    for prompt in reference["prompts"]:
        print(json.dumps({**prompt, "last_logits": None}))


if __name__ == "__main__":
    main()
