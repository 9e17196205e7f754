#!/usr/bin/env python3
"""Compares what `occult trace` wrote with transformers in float64.

    occult trace MODEL --tokens ids.txt [--labels labels.txt] --gradients --output T.h5
    python check_trace.py T.h5 HF_FOLDER ids.txt [labels.txt]

ids.txt: a sequence of ids per line, all of one length; labels.txt the same shape, -100 ignored, default the ids.
Prints the relative error ‖a − b‖ / ‖b‖ of every tensor; exit status 1 if one is over its bar (1e-5; gradients 1e-4),
missing, mis-shaped or not finite. Indices must be equal. Applies to a trace without a device limit.
"""
import argparse
import pathlib
import sys

import h5py
import numpy as np

import float64_reference

BARS = {"gradients": 1e-4, "gradients_total": 1e-4}
DEFAULT_BAR = 1e-5


def read_ids(path):
    lines = [line.replace(",", " ").split() for line in path.read_text().splitlines() if line.strip()]
    if not lines or len({len(line) for line in lines}) != 1:
        sys.exit(f"{path}: expected lines of one length, found {[len(line) for line in lines]}")
    try:
        return np.array([[int(word) for word in line] for line in lines])
    except ValueError as error:
        sys.exit(f"{path}: expected integers ({error})")


def read_trace(path):
    found = {}
    with h5py.File(path, "r") as file:
        file.visititems(lambda name, item: found.__setitem__(name, item[()]) if isinstance(item, h5py.Dataset) else None)
    return found


def as_trace_names(values):
    """transformers' values under the names of a trace file: parameter paths with `/`, what is kept = what is chosen."""
    groups = {"grad": "gradients", "grad_total": "gradients_total"}
    kept = {"topk_index": "kept_index", "topk_weight": "kept_weight"}
    for name, value in values.items():
        group, _, rest = name.partition("/")
        if group in groups:
            yield f"{groups[group]}/{rest.replace('.', '/')}", value
        elif group in kept:
            yield name, value
            yield f"{kept[group]}/{rest}", value
        elif group in ("logits", "hidden", "router_logits", "loss", "aux_loss"):
            yield name, value


def compare(name, expected, found):
    """(the relative error, what is wrong or None)"""
    if found.shape != expected.shape:
        return np.nan, f"expected shape {list(expected.shape)}, found {list(found.shape)}"
    if expected.dtype.kind == "i":
        different = int((found != expected).sum())
        return float(different), f"{different} of {expected.size} indices differ" if different else None
    norm, distance = np.linalg.norm(expected), np.linalg.norm(found.astype(np.float64) - expected)
    error = distance / norm if norm > 0 else distance
    bar = BARS.get(name.split("/")[0], DEFAULT_BAR) if norm > 0 else 0.0
    return float(error), None if error <= bar else f"over {bar:g}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trace", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("ids", type=pathlib.Path)
    parser.add_argument("labels", type=pathlib.Path, nargs="?")
    arguments = parser.parse_args()
    ids = read_ids(arguments.ids)
    labels = read_ids(arguments.labels) if arguments.labels else ids
    if labels.shape != ids.shape:
        sys.exit(f"{arguments.labels}: expected shape {list(ids.shape)}, found {list(labels.shape)}")
    found = read_trace(arguments.trace)
    gradients = any(name.startswith("gradients") for name in found)
    values = float64_reference.trace(float64_reference.load(arguments.folder), ids, labels, gradients=gradients)
    expected = dict(as_trace_names(values))
    if "hidden/final_norm" not in found:  # the one value that a trace may leave out
        del expected["hidden/final_norm"]
    failures = 0
    for name, value in expected.items():
        error, problem = (np.nan, "expected in the trace, found none") if name not in found else \
            compare(name, np.asarray(value), np.asarray(found[name]))
        failures += problem is not None
        print(f"{'FAIL' if problem else 'ok':4}  {error:9.2e}  {name}{'  ' + problem if problem else ''}")
    for name in sorted(found.keys() - expected.keys() - {"input_ids", "labels"}):
        print(f"-     not compared  {name}")
    gaps = [float(value) for name, value in values.items() if name.startswith("topk_gap/")]
    gap = f"{min(gaps):.1e}" if gaps else "none"
    print(f"{len(expected)} tensors, {failures} over their bar or missing; smallest gap between a chosen and a left-out "
          f"probability {gap} (under 1e-6 float32 may choose otherwise)")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
