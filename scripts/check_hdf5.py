#!/usr/bin/env python3
"""Compares an Occult checkpoint with the Hugging Face folder it should equal, tensor by tensor, as plain numbers.

    python check_hdf5.py CHECKPOINT.h5 HF_FOLDER

Needs h5py and numpy only: safetensors is read here, so that the two sides share no code. Experts are stacked as in
transformers 5: gate_up_proj [E, 2I, H] holds gate over up, down_proj is [E, H, I]. Every number must be equal; exit
status 1 at any difference, missing or extra tensor. Applies to a checkpoint without a placement (a placement permutes
experts) that stores all its parameters.
"""
import argparse
import json
import pathlib
import re
import sys

import h5py
import numpy as np

NOT_PARAMETERS = ("config_json", "tokenizer_json", "recipe_yaml", "hub_files", "routing", "training", "base")
TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4"}


def read_safetensors(path):
    """name → (type, float array); bfloat16 is the upper half of a float32."""
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        data = file.read()
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        array = np.frombuffer(data[begin:end], TYPES[entry["dtype"]]).reshape(entry["shape"])
        if entry["dtype"] == "BF16":
            array = (array.astype(np.uint32) << 16).view(np.float32)
        yield name, (entry["dtype"], array)


def read_folder(folder):
    """All tensors of all shards, with the experts of each layer stacked."""
    tensors = {}
    for path in sorted(folder.glob("*.safetensors")):
        tensors.update(read_safetensors(path))
    if not tensors:
        sys.exit(f"{folder}: expected *.safetensors files, found none; try: a folder written by save_pretrained")
    experts = {}
    for name in list(tensors):
        match = re.fullmatch(r"(.*\.mlp\.experts)\.(\d+)\.(gate|up|down)_proj\.weight", name)
        if match:
            prefix, index, kind = match.groups()
            experts.setdefault(prefix, {})[int(index), kind] = tensors.pop(name)
    for prefix, parts in experts.items():
        count, dtype = 1 + max(index for index, _ in parts), next(iter(parts.values()))[0]
        def stack(kind):
            return np.stack([parts[e, kind][1] for e in range(count)])
        tensors[f"{prefix}.gate_up_proj"] = dtype, np.concatenate([stack("gate"), stack("up")], axis=1)
        tensors[f"{prefix}.down_proj"] = dtype, stack("down")
    return tensors


def type_name(dataset):
    kind = dataset.id.get_type()
    if isinstance(kind, h5py.h5t.TypeFloatID):
        exponent = kind.get_fields()[2]
        return {(2, 8): "BF16", (2, 5): "F16", (4, 8): "F32", (8, 11): "F64"}.get((kind.get_size(), exponent), str(kind))
    return str(dataset.dtype)


def read_checkpoint(file):
    """Parameter name with dots → (stored type, array as h5py gives it)."""
    found = {}

    def visit(path, item):
        if isinstance(item, h5py.Dataset) and path.split("/")[0] not in NOT_PARAMETERS:
            found[path.replace("/", ".")] = type_name(item), item[()]
    file.visititems(visit)
    return found


def compare(name, expected, found):
    """What is wrong with one tensor, or None."""
    if expected.shape != found.shape:
        return f"{name}: expected shape {list(expected.shape)}, found {list(found.shape)}"
    different = ~(expected.astype(np.float64) == found.astype(np.float64))  # NaN differs from everything
    if different.any():
        at = tuple(int(i) for i in np.argwhere(different)[0])
        return (f"{name}: {int(different.sum())} of {different.size} numbers differ, first at {list(at)}: "
                f"expected {expected[at]!r}, found {found[at]!r}")
    return None


def compare_texts(file, folder):
    """Differences of the stored configuration (ours under `occult` left out) and tokenizer from the folder's files."""
    for path, name in (("config_json", "config.json"), ("tokenizer_json", "tokenizer.json")):
        if path not in file:
            if path == "config_json":
                yield "config_json: expected a string dataset, found none"
            continue
        stored = json.loads(file[path].asstr()[()])
        if path == "config_json":
            stored.pop("occult", None)
        if not (folder / name).exists():
            yield f"{path}: expected {folder / name} beside it, found none"
        elif stored != json.loads((folder / name).read_text(encoding="utf-8")):
            yield f"{path}: expected the content of {folder / name}, found another"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    arguments = parser.parse_args()
    expected = read_folder(arguments.folder)
    problems = []
    try:
        file = h5py.File(arguments.checkpoint, "r")
    except OSError as error:
        sys.exit(f"{arguments.checkpoint}: expected an HDF5 file, found none ({error})")
    with file:
        if file.attrs.get("format") not in ("occult", b"occult"):
            problems.append(f"attribute format: expected 'occult', found {file.attrs.get('format')!r}")
        found = read_checkpoint(file)
        problems += compare_texts(file, arguments.folder)
        count = file.attrs.get("tensor_count")
        if count is not None and int(count) != len(found):
            problems.append(f"attribute tensor_count: expected {len(found)}, found {count}")
    problems += [f"{name}: expected in the checkpoint, found none" for name in sorted(expected.keys() - found.keys())]
    problems += [f"{name}: not expected in the checkpoint" for name in sorted(found.keys() - expected.keys())]
    common = sorted(expected.keys() & found.keys())
    problems += filter(None, (compare(name, expected[name][1], found[name][1]) for name in common))
    for problem in problems:
        print(f"{arguments.checkpoint}: {problem}", file=sys.stderr)
    types = sorted({f"{expected[name][0]} → {found[name][0]}" for name in common})
    print(f"{len(common)} tensors compared, {sum(found[n][1].size for n in common):,} numbers, types {', '.join(types)}: "
          + (f"{len(problems)} differences" if problems else "all equal"))
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
