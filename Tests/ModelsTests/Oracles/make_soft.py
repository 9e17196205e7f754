#!/usr/bin/env python3
"""Writes the oracles of soft pruning: the collaboration loss and both divergences of distillation, in float64 with autograd.

    python make_soft.py [--variant olmoe-tiny|olmoe-odd] [--out DIR]

The student is the model with its router weights times 1.25 and its last norm times 0.875, the teacher the model as it is.
E[C_T] is summed over all k-subsets of the experts, straight from its definition; expert e lies on device PLACEMENT(e).
`<variant>/soft.h5` gets values and gradients. README.md says more.
"""
import argparse
import itertools
import json
import pathlib
import sys

import h5py
import numpy as np
import torch
import transformers

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "scripts"))
import float64_reference  # noqa: E402

DEVICES, TEMPERATURE = 4, 2.0
PLACEMENT = lambda expert, layer: (expert * 3 + layer) % DEVICES  # noqa: E731
COLD = 0.25
NAMES = ("collaboration", "collaboration_cold", "router", "predictions")


def expected_devices(logits, layer, k, temperature=1.0):
    """Mean over tokens of Σ_S P(S) · devices of S, P(S) ∝ Π_{e ∈ S} exp(z_e / τ), over all S of k experts."""
    sets = torch.tensor(list(itertools.combinations(range(logits.shape[-1]), k)))
    devices = [len({PLACEMENT(e, layer) for e in chosen}) for chosen in sets.tolist()]
    p = torch.softmax(logits[:, sets].sum(-1) / temperature, -1)
    return (p * torch.tensor(devices, dtype=logits.dtype)).sum(-1).mean()


def divergence(target, logits, temperature=1.0):
    """τ² KL(softmax(target / τ) ‖ softmax(logits / τ)) of every row."""
    p, q = (torch.log_softmax(z / temperature, -1) for z in (target, logits))
    return temperature ** 2 * (p.exp() * (p - q)).sum(-1)


def run(model, ids):
    """Output logits, and router logits by layer."""
    routed, hooks = [], []
    for layer in model.model.layers:
        hooks.append(layer.mlp.gate.register_forward_hook(lambda module, x, y: routed.append(y[0])))
    logits = model(input_ids=ids, use_cache=False).logits
    for hook in hooks:
        hook.remove()
    return logits, routed


def write(variant, out):
    with h5py.File(HERE / variant / "oracle.h5") as file:
        ids, labels = (torch.as_tensor(file[name][()]) for name in ("input_ids", "labels"))
    teacher, student = (float64_reference.load(HERE / variant) for _ in range(2))
    with torch.no_grad():
        student.model.norm.weight.mul_(0.875)
        for layer in student.model.layers:
            layer.mlp.gate.weight.mul_(1.25)
    k, layers = student.config.num_experts_per_tok, len(student.model.layers)
    with float64_reference.double_precision(teacher), torch.no_grad():
        targets, target_routed = run(teacher, ids)
    with float64_reference.double_precision(student):
        logits, routed = run(student, ids)
        counted = labels[:, 1:] != -100
        losses = {
            "collaboration": torch.stack([expected_devices(z, i, k) for i, z in enumerate(routed)]).mean(),
            "collaboration_cold": torch.stack([expected_devices(z, i, k, COLD) for i, z in enumerate(routed)]).mean(),
            "router": torch.stack([divergence(t, z).mean() for t, z in zip(target_routed, routed)]).mean(),
            "predictions": divergence(targets[:, :-1], logits[:, :-1], TEMPERATURE)[counted].sum(),
        }
        parameters = {n: p for n, p in student.named_parameters() if n.endswith("mlp.gate.weight") or n == "model.norm.weight"}
        values = {}
        for name in NAMES:
            values[f"{name}/value"] = losses[name]
            found = torch.autograd.grad(losses[name], parameters.values(), retain_graph=True, materialize_grads=True)
            values |= {f"{name}/grad/{n}": g for n, g in zip(parameters, found)}
    meta = dict(arithmetic="float64", devices=DEVICES, temperature=TEMPERATURE, cold=COLD, torch=torch.__version__,
                transformers=transformers.__version__)
    with h5py.File(out / variant / "soft.h5", "w", libver=("v110", "v110")) as file:
        for name, value in values.items():
            array = value.detach().numpy()
            small = array.ndim == 0
            file.create_dataset(name, data=array if small else array.astype(np.float32), **(
                {} if small else dict(compression="gzip", compression_opts=9, shuffle=True)))
        file.attrs["meta"] = json.dumps(meta)
    print(f"{variant}: " + ", ".join(f"{name} {losses[name].item():.6f}" for name in NAMES)
          + f", {(out / variant / 'soft.h5').stat().st_size / 1e3:.0f} kB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", choices=["olmoe-tiny", "olmoe-odd"], action="append")
    parser.add_argument("--out", type=pathlib.Path, default=HERE)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    for variant in arguments.variant or ["olmoe-tiny", "olmoe-odd"]:
        write(variant, arguments.out)


if __name__ == "__main__":
    main()
