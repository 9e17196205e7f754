#!/usr/bin/env python3
"""Writes rotary/: what transformers makes of every spelling of the rotary settings, for every family, in float64.

    python make_rotary.py

Each variant takes the rotary keys out of a family's `-tiny` configuration and puts its own in; weights and tokens stay.
`variants.json` holds the keys of each, `logits.h5` the logits of the last position of the first sequence. DeepSeek-MoE (v1)
has no class in transformers: its attention is Llama's there (check_deepseek.py).
"""
import copy
import json
import pathlib
import sys
import tempfile

import h5py
import numpy as np
import torch
import transformers

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "scripts"))
import check_deepseek  # noqa: E402
import float64_reference  # noqa: E402

FAMILIES = ["olmoe", "mixtral", "qwen2_moe", "qwen3_moe", "deepseek", "deepseek_v2"]
KEYS = ["rope_parameters", "rope_scaling", "rope_theta", "partial_rotary_factor", "original_max_position_embeddings"]
THETA = {"rope_theta": 500.0}
PLAIN = {"rope_type": "default", "rope_theta": 500.0}
LINEAR = {"rope_type": "linear", "factor": 4.0}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 32}
VARIANTS = {
    # Where the base is found.
    "theta-in-parameters": {"rope_parameters": PLAIN},
    "theta-at-the-top": THETA,
    "theta-nowhere": {},
    "theta-in-both": {"rope_parameters": PLAIN, "rope_theta": 20000.0},
    "theta-beside-partial-map": {"rope_parameters": LINEAR} | THETA,
    "theta-beside-empty-map": {"rope_parameters": {}} | THETA,
    "theta-in-scaling": {"rope_scaling": LINEAR | THETA, "rope_theta": 20000.0},
    # rope_scaling beside rope_parameters.
    "scaling-beside-parameters": {"rope_parameters": PLAIN, "rope_scaling": YARN} | THETA,
    "scaling-takes-the-theta-away": {"rope_parameters": PLAIN, "rope_scaling": LINEAR},
    "scaling-default-beside-linear": {"rope_parameters": LINEAR | THETA, "rope_scaling": {"rope_type": "default"}},
    "scaling-empty": {"rope_parameters": LINEAR | THETA, "rope_scaling": {}},
    "scaling-null": {"rope_parameters": LINEAR | THETA, "rope_scaling": None},
    "both-null": {"rope_parameters": None, "rope_scaling": None} | THETA,
    # How the type is spelled.
    "type-old": {"rope_scaling": {"type": "linear", "factor": 4.0}} | THETA,
    "type-old-in-parameters": {"rope_parameters": {"type": "linear", "factor": 4.0} | THETA},
    "type-in-both": {"rope_scaling": YARN | {"type": "linear"}} | THETA,
    "type-nowhere": {"rope_scaling": {"factor": 4.0}} | THETA,
    # Types.
    "linear": {"rope_scaling": LINEAR} | THETA,
    "linear-integer": {"rope_scaling": {"rope_type": "linear", "factor": 3}, "rope_theta": 500},
    "linear-mscale": {"rope_scaling": LINEAR | {"mscale_all_dim": 0.707}} | THETA,
    "linear-foreign-keys": {"rope_scaling": LINEAR | {"attention_factor": 2.0, "beta_fast": 8}} | THETA,
    "default-foreign-keys": {"rope_parameters": PLAIN | {"factor": 4.0, "mscale_all_dim": 0.707}},
    "dynamic": {"rope_scaling": {"rope_type": "dynamic", "factor": 4.0}} | THETA,
    "dynamic-mscale": {"rope_scaling": {"rope_type": "dynamic", "factor": 4.0, "mscale_all_dim": 0.707}} | THETA,
    "yarn": {"rope_scaling": YARN} | THETA,
    "yarn-in-parameters": {"rope_parameters": YARN | THETA},
    "yarn-without-original": {"rope_scaling": {"rope_type": "yarn", "factor": 4.0}} | THETA,
    "yarn-original-at-the-top": {"rope_scaling": YARN, "original_max_position_embeddings": 16} | THETA,
    "yarn-not-truncated": {"rope_scaling": YARN | {"truncate": False}} | THETA,
    "yarn-truncated": {"rope_scaling": YARN | {"truncate": True}} | THETA,
    "yarn-own-ramp": {"rope_scaling": YARN | {"beta_fast": 8, "beta_slow": 2.5}} | THETA,
    "yarn-zero-betas": {"rope_scaling": YARN | {"beta_fast": 0, "beta_slow": 0}} | THETA,
    "yarn-attention-factor": {"rope_scaling": YARN | {"attention_factor": 1.5, "mscale": 0.9}} | THETA,
    "yarn-mscale": {"rope_scaling": YARN | {"mscale": 0.9, "mscale_all_dim": 0.707}} | THETA,
    "yarn-mscale-alone": {"rope_scaling": YARN | {"mscale": 0.9}} | THETA,
    "yarn-mscale-all-alone": {"rope_scaling": YARN | {"mscale_all_dim": 0.707}} | THETA,
    "yarn-factor-one": {"rope_scaling": YARN | {"factor": 1.0}} | THETA,
    "llama3": {"rope_scaling": LLAMA3} | THETA,
    "llama3-without-original": {
        "rope_scaling": {k: v for k, v in LLAMA3.items() if k != "original_max_position_embeddings"}} | THETA,
    "llama3-original-at-the-top": {"rope_scaling": LLAMA3, "original_max_position_embeddings": 64} | THETA,
    "llama3-mscale": {"rope_scaling": LLAMA3 | {"mscale_all_dim": 0.707}} | THETA,
    # All of a head, said in two places.
    "partial-one": {"rope_parameters": LINEAR | THETA | {"partial_rotary_factor": 1.0}},
    "partial-one-at-the-top": {"rope_scaling": YARN, "partial_rotary_factor": 1.0} | THETA,
}


def llama(folder, config):
    """DeepSeek-MoE with transformers' Llama around its mixture, under these rotary keys."""
    plain = check_deepseek.load(folder, config | THETA)
    keys = copy.deepcopy({key: config[key] for key in KEYS if key in config})  # transformers writes into them
    shared = ("vocab_size hidden_size num_hidden_layers num_attention_heads num_key_value_heads "
              "max_position_embeddings").split()
    settings = transformers.LlamaConfig(**{key: config[key] for key in shared}, **keys)
    plain.config.rope_parameters = settings.rope_parameters
    if "original_max_position_embeddings" in keys:
        plain.config.original_max_position_embeddings = keys["original_max_position_embeddings"]
    plain.model.rotary_emb = type(plain.model.rotary_emb)(plain.config)
    return plain


def logits(family, keys):
    folder = HERE / f"{family}-tiny"
    config = json.loads((folder / "config.json").read_text())
    config = {key: value for key, value in config.items() if key not in KEYS} | keys
    if family == "mixtral":  # whose class fails under yarn and dynamic where this is not said
        config["head_dim"] = config["hidden_size"] // config["num_attention_heads"]
    if family == "deepseek":
        model = llama(folder, config)
    else:
        with tempfile.TemporaryDirectory() as place:
            place = pathlib.Path(place)
            (place / "config.json").write_text(json.dumps(config))
            (place / "model.safetensors").symlink_to(folder / "model.safetensors")
            model = float64_reference.load(place)
    with h5py.File(folder / "oracle.h5") as file:
        ids = torch.as_tensor(file["input_ids"][()][:1])
    with torch.no_grad(), float64_reference.double_precision(model):
        return model(input_ids=ids, use_cache=False).logits[0, -1].numpy()


def main():
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    out = HERE / "rotary"
    out.mkdir(exist_ok=True)
    with h5py.File(out / "logits.h5", "w", libver=("v110", "v110")) as file:
        for family in FAMILIES:
            values = {name: logits(family, keys) for name, keys in VARIANTS.items()}
            plain = values["theta-at-the-top"]
            for name, value in values.items():
                file[f"{family}/{name}"] = value.astype(np.float32)
            away = {name: np.linalg.norm(v - plain) / np.linalg.norm(plain) for name, v in values.items()}
            print(family, {name: float(f"{d:.1e}") for name, d in away.items()}, flush=True)
        file.attrs["meta"] = json.dumps({"torch": torch.__version__, "transformers": transformers.__version__})
    (out / "variants.json").write_text(json.dumps(VARIANTS, indent=1) + "\n")


if __name__ == "__main__":
    main()
