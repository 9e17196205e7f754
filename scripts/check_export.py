#!/usr/bin/env python3
"""Runs limited models in transformers and in Occult, and compares their logits.

    python scripts/check_export.py --occult .build/release/occult HF_FOLDER [--devices 4] [--tokens 48] [--rows 2]

For every policy, every limit that leaves enough experts, and both sources of weights: the model of HF_FOLDER, any float32
one of a family that `convert --with-code` supports, gets that routing with a random placement, is exported by
`occult convert --with-code`, and runs on random ids in both programs. Prints the largest absolute difference of logits
and how much the limit itself changes them; exit status 1 if a difference is over the bar (1e-5) or not finite, or no code
ran. Rounding in float32 grows with the logits: a trained model, with logits of 15, differs by 1.5e-5.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import h5py
import numpy as np

POLICIES = ["router", "mass", "best_mass", "adaptive", "drop", "random_devices"]


def sizes(config):
    """(experts, experts a token, sparse layers) of a config.json."""
    experts = next(config[key] for key in ("num_experts", "num_local_experts", "n_routed_experts") if key in config)
    layers, step = range(config["num_hidden_layers"]), config.get("decoder_sparse_step") or 1
    dense = config.get("mlp_only_layers") or []
    sparse = [i for i in layers if i not in dense and (i + 1) % step == 0 and i >= config.get("first_k_dense_replace", 0)]
    return experts, config["num_experts_per_tok"], sparse


def make_routing(config, devices, limit, policy, weight_source="own", renormalize="model", seed=1):
    """A routing as config.json's `occult` section says it, with a random placement."""
    experts, _, layers = sizes(config)
    rng = np.random.default_rng(seed)
    return dict(version=1, devices=devices, policy=policy, device_limit=limit, weight_source=weight_source,
                renormalize=renormalize, epsilon=0.2, seed=seed,
                layers=[dict(layer=i, expert_device=rng.permutation(np.arange(experts) % devices).tolist()) for i in layers])


def run(*command):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"{' '.join(map(str, command))}: {result.stderr}")


def export(occult, model, routing, scratch):
    """The folder that `occult convert --with-code` writes for the model under that routing."""
    checkpoint, folder = scratch / "limited.h5", scratch / f"export-{len(list(scratch.iterdir()))}"
    run(occult, "convert", model, checkpoint, "--overwrite")
    with h5py.File(checkpoint, "r+") as file:
        group = file.create_group("routing")
        for key in ("devices", "policy", "device_limit", "weight_source", "renormalize", "epsilon", "seed"):
            value = routing[key]
            group.attrs[key] = np.bytes_(value) if isinstance(value, str) else value
        for layer in routing["layers"]:
            group[f"layers/{layer['layer']}/expert_device"] = np.array(layer["expert_device"], np.int32)
    run(occult, "convert", checkpoint, folder, "--with-code")
    return folder


def load(folder):
    """The exported model in transformers, as its users load it."""
    import torch
    import transformers

    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True, dtype=torch.float32)
    if not type(model).__name__.startswith("Occult"):
        sys.exit(f"{folder}: expected the exported class, found {type(model).__name__}")
    return model.eval()


def logits(model, ids):
    import torch
    with torch.no_grad():
        return model(torch.as_tensor(ids)).logits.numpy()


def trace(occult, folder, ids, scratch):
    """Logits by Occult of the same folder, which it reads with its routing."""
    tokens, output = scratch / "ids.txt", scratch / "trace.h5"
    tokens.write_text("\n".join(" ".join(map(str, row)) for row in ids) + "\n")
    run(occult, "trace", folder, "--tokens", tokens, "--output", output)
    with h5py.File(output) as file:
        return file["logits"][()]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--occult", type=pathlib.Path, required=True)
    parser.add_argument("--devices", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--rows", type=int, default=2)
    parser.add_argument("--bar", type=float, default=1e-5)
    arguments = parser.parse_args()
    config = json.loads((arguments.model / "config.json").read_text())
    experts, top_k, _ = sizes(config)
    ids = np.random.default_rng(7).integers(3, config["vocab_size"], (arguments.rows, arguments.tokens))
    worst = 0.0
    with tempfile.TemporaryDirectory() as name:
        scratch = pathlib.Path(name)
        os.environ["HF_MODULES_CACHE"] = str(scratch / "modules")
        plain = trace(arguments.occult, arguments.model, ids, scratch)
        for policy in POLICIES:
            for limit in range(1, arguments.devices):
                if limit * experts // arguments.devices < top_k:
                    continue
                for source, renormalize in (("own", "model"), ("inherited", "original_mass")):
                    routing = make_routing(config, arguments.devices, limit, policy, source, renormalize)
                    folder = export(arguments.occult, arguments.model, routing, scratch)
                    theirs = logits(load(folder), ids)
                    ours = trace(arguments.occult, folder, ids, scratch)
                    difference = float(np.abs(theirs - ours).max())
                    worst = max(worst, difference if np.isfinite(difference) else np.inf)
                    print(f"{policy:15} L {limit} of {arguments.devices}  {source:9} {renormalize:13}  "
                          f"difference {difference:.1e}, of the limit {np.abs(ours - plain).max():.1e}", flush=True)
    print(f"{config['model_type']}: largest difference {worst:.1e}, bar {arguments.bar:.0e}")
    sys.exit(0 if worst <= arguments.bar else 1)


if __name__ == "__main__":
    main()
