#!/usr/bin/env python3
"""Loads exported adapters with PEFT and compares logits with what `occult trace` wrote.

    occult trace runs/lora/final.h5 --device-limit none --tokens ids.txt --output T.h5
    occult convert runs/lora/final.h5 ADAPTER --adapter --allow-unlimited
    python check_adapter.py T.h5 HF_FOLDER ADAPTER ids.txt

HF_FOLDER: the base model. PEFT must find a place for every tensor and a tensor for every factor. Prints the relative error
‖a − b‖ / ‖b‖ of the logits, computed in float64, and how far the adapters move them; exit status 1 over 1e-5.
"""
import argparse
import pathlib
import sys
import warnings

import numpy as np
import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors.torch import load_file

import float64_reference
from check_trace import read_ids, read_trace

BAR = 1e-5


def logits(model, ids):
    with float64_reference.double_precision(model.get_base_model()), torch.no_grad():
        return model(input_ids=torch.as_tensor(ids), use_cache=False).logits.numpy()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("trace", "folder", "adapter", "ids"):
        parser.add_argument(name, type=pathlib.Path)
    arguments = parser.parse_args()
    ids = read_ids(arguments.ids)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        model = PeftModel.from_pretrained(float64_reference.load(arguments.folder), arguments.adapter).double().eval()
    for warning in heard:
        if "key" in str(warning.message):
            print(f"PEFT says: {warning.message}")
    stored = load_file(arguments.adapter / "adapter_model.safetensors")
    loaded = get_peft_model_state_dict(model)
    if stored.keys() != loaded.keys() or any(not torch.equal(stored[n].double(), t) for n, t in loaded.items()):
        sys.exit(f"expected {len(stored)} tensors of the file in the model, found {sorted(stored.keys() ^ loaded.keys())}")
    found, expected = read_trace(arguments.trace)["logits"], logits(model, ids)
    if found.shape != expected.shape:
        sys.exit(f"logits: expected shape {expected.shape}, found {found.shape}")
    with model.disable_adapter():
        moved = np.linalg.norm(expected - logits(model, ids)) / np.linalg.norm(expected)
    error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    print(f"{len(stored)} tensors loaded; logits {error:.1e} from PEFT's, moved {moved:.1e} by the adapters")
    sys.exit(0 if error <= BAR else f"over {BAR:g}")


if __name__ == "__main__":
    main()
