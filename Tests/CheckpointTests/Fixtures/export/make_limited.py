#!/usr/bin/env python3
"""Writes what transformers computes for limited models that `occult convert --with-code` exported, in float32.

    python make_limited.py --occult OCCULT [--family olmoe|qwen2_moe] [--out DIR]

Models are the random ones of Tests/ModelsTests/Oracles. For each case FAMILY.h5 holds, in the group case-<i>: the
attributes `model` (its folder) and `routing` (the `occult` section of the exported config.json, word for word), and
`logits` [B, S, V]; beside them `input_ids` [B, S] and the attributes `cases` and `meta`. modeling_occult_FAMILY.py is the
code that ran: when the template changes, it has to be made again, with new logits.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import sys
import tempfile

import h5py
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[3]
sys.path.insert(0, str(ROOT / "scripts"))
import check_export  # noqa: E402

FAMILIES = ["olmoe", "qwen2_moe"]
BATCH_SEED = 7


def cases(family):
    """(model, devices, limit, policy, weight source, renormalization): L = 1 and 2, every policy."""
    for devices, limit in ((2, 1), (4, 2)):
        for policy in check_export.POLICIES:
            yield f"{family}-odd", devices, limit, policy, "own", "model"
        yield f"{family}-odd", devices, limit, "router", "inherited", "model"
    # These do not divide weights by their sum, so that their scale is a question.
    yield f"{family}-tiny", 2, 1, "router", "own", "original_mass"
    yield f"{family}-tiny", 2, 1, "mass", "inherited", "original_mass_detached"
    yield f"{family}-tiny", 2, 1, "drop", "own", "model"


def section(folder):
    """The text of the `occult` value in an exported config.json, where it is the last member."""
    text = (folder / "config.json").read_text()
    return re.search(r'"occult": (\{.*\})\s*\}\s*$', text, re.DOTALL).group(1)


def write(occult, family, out, scratch):
    import torch
    import transformers

    ids = np.random.default_rng(BATCH_SEED).integers(3, 150, (2, 8)).astype(np.int32)
    with h5py.File(out / f"{family}.h5", "w", libver=("v110", "v110")) as file:
        file["input_ids"] = ids
        for index, (name, devices, limit, policy, source, renormalize) in enumerate(cases(family)):
            model = ROOT / "Tests/ModelsTests/Oracles" / name
            config = json.loads((model / "config.json").read_text())
            routing = check_export.make_routing(config, devices, limit, policy, source, renormalize, seed=index)
            folder = check_export.export(occult, model, routing, scratch)
            logits = check_export.logits(check_export.load(folder), ids)
            group = file.create_group(f"case-{index}")
            group.attrs["model"], group.attrs["routing"] = np.bytes_(name), np.bytes_(section(folder))
            group.create_dataset("logits", data=logits, chunks=logits.shape, compression="gzip", compression_opts=9,
                                 shuffle=True)
            shutil.copy(folder / f"modeling_occult_{family}.py", out)
        file.attrs["cases"] = index + 1
        file.attrs["meta"] = json.dumps(dict(batch_seed=BATCH_SEED, torch=torch.__version__,
                                             transformers=transformers.__version__))
    print(f"{family}: {index + 1} cases, {(out / f'{family}.h5').stat().st_size / 1e3:.0f} kB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--occult", type=pathlib.Path, required=True)
    parser.add_argument("--family", choices=FAMILIES, action="append")
    parser.add_argument("--out", type=pathlib.Path, default=HERE)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        os.environ["HF_MODULES_CACHE"] = str(pathlib.Path(name) / "modules")
        for family in arguments.family or FAMILIES:
            write(arguments.occult, family, arguments.out, pathlib.Path(name))


if __name__ == "__main__":
    main()
