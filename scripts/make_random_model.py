#!/usr/bin/env python3
"""Makes a Hugging Face folder of random weights in the exact shape of a published model, OLMoE-1B-7B by default.

    python make_random_model.py FOLDER [--config configs/olmoe-1b-7b.json] [--tokenizer tokenizer.json] [--shards 3]

For measuring conversion, loading and speed at real size where the real weights are not at hand: names, shapes, types and
shards are those of the hub (13.8 GB in three files for OLMoE-1B-7B), the text it writes is noise. Weights are bfloat16,
normal with the configuration's standard deviation (0.02); norms are near 1, biases near 0. Drawing seven thousand million
numbers takes minutes, so a pool of 2^25 is drawn once and every tensor is cut from it at places of its own, in turn with
either sign: tensors differ, and the same seed makes the same bytes. Memory stays under 1 GB: files are written piece by
piece. Needs numpy.

configs/olmoe-1b-7b.json is the config.json of allenai/OLMoE-1B-7B-0924 (Apache-2.0) without `auto_map`, and with
`torch_dtype` saying bfloat16.
"""
import argparse
import hashlib
import json
import pathlib
import shutil
import sys

import numpy as np

POOL = 1 << 25
PIECE = 1 << 23  # elements written at a time


def parameters(config):
    """Yields name, shape and kind ('weight', 'norm' or 'bias') of every tensor, in the order of the layers."""
    family = config["model_type"]
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    kv_heads = config.get("num_key_value_heads") or heads
    width = config.get("head_dim") or hidden // heads
    yield "model.embed_tokens.weight", [config["vocab_size"], hidden], "weight"
    for layer in range(config["num_hidden_layers"]):
        path = f"model.layers.{layer}."
        yield from attention(family, config, path + "self_attn.", hidden, heads, kv_heads, width)
        yield from feed_forward(family, config, layer, path, hidden)
        yield path + "input_layernorm.weight", [hidden], "norm"
        yield path + "post_attention_layernorm.weight", [hidden], "norm"
    yield "model.norm.weight", [hidden], "norm"
    if not config["tie_word_embeddings"]:
        yield "lm_head.weight", [config["vocab_size"], hidden], "weight"


def attention(family, config, path, hidden, heads, kv_heads, width):
    if family == "deepseek_v2":
        nope, rope = config["qk_nope_head_dim"], config["qk_rope_head_dim"]
        rank, value = config["kv_lora_rank"], config["v_head_dim"]
        if config["q_lora_rank"]:
            yield path + "q_a_proj.weight", [config["q_lora_rank"], hidden], "weight"
            yield path + "q_a_layernorm.weight", [config["q_lora_rank"]], "norm"
            yield path + "q_b_proj.weight", [heads * (nope + rope), config["q_lora_rank"]], "weight"
        else:
            yield path + "q_proj.weight", [heads * (nope + rope), hidden], "weight"
        yield path + "kv_a_proj_with_mqa.weight", [rank + rope, hidden], "weight"
        yield path + "kv_a_layernorm.weight", [rank], "norm"
        yield path + "kv_b_proj.weight", [heads * (nope + value), rank], "weight"
        yield path + "o_proj.weight", [hidden, heads * value], "weight"
        return
    for name, rows in [("q", heads * width), ("k", kv_heads * width), ("v", kv_heads * width)]:
        yield f"{path}{name}_proj.weight", [rows, hidden], "weight"
        if family == "qwen2_moe":
            yield f"{path}{name}_proj.bias", [rows], "bias"
    yield path + "o_proj.weight", [hidden, heads * width], "weight"
    if family in ("olmoe", "qwen3_moe"):
        one = family == "qwen3_moe"  # norms of single heads, not of whole projections
        yield path + "q_norm.weight", [width if one else heads * width], "norm"
        yield path + "k_norm.weight", [width if one else kv_heads * width], "norm"


def feed_forward(family, config, layer, path, hidden):
    def gated(path, width, names=("gate_proj", "up_proj", "down_proj")):
        gate, up, down = names
        yield f"{path}{gate}.weight", [width, hidden], "weight"
        yield f"{path}{up}.weight", [width, hidden], "weight"
        yield f"{path}{down}.weight", [hidden, width], "weight"

    experts = next(config[key] for key in ("num_experts", "num_local_experts", "n_routed_experts") if key in config)
    width = config.get("moe_intermediate_size") or config["intermediate_size"]
    if family.startswith("deepseek"):
        dense = layer < config["first_k_dense_replace"] or layer % config.get("moe_layer_freq", 1) != 0
    else:
        dense = layer in config.get("mlp_only_layers", []) or (layer + 1) % config.get("decoder_sparse_step", 1) != 0
    if dense:
        yield from gated(path + "mlp.", config["intermediate_size"])
        return
    block = path + ("block_sparse_moe." if family == "mixtral" else "mlp.")
    yield block + "gate.weight", [experts, hidden], "weight"
    names = ("w1", "w3", "w2") if family == "mixtral" else ("gate_proj", "up_proj", "down_proj")
    for expert in range(experts):
        yield from gated(f"{block}experts.{expert}.", width, names)
    if family == "qwen2_moe":
        yield from gated(block + "shared_expert.", config["shared_expert_intermediate_size"])
        yield block + "shared_expert_gate.weight", [1, hidden], "weight"
    elif family.startswith("deepseek") and config.get("n_shared_experts"):
        yield from gated(block + "shared_experts.", width * config["n_shared_experts"])


def bfloat16(values):
    """Upper halves of float32 values, rounded to nearest even."""
    bits = values.astype(np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")


class Source:
    """Endless numbers for one tensor after another, all from one pool."""

    def __init__(self, seed, deviation):
        self.seed, self.deviation = seed, deviation
        normals = np.random.default_rng(seed).standard_normal(POOL, dtype=np.float32)
        self.pool = bfloat16(normals * deviation)

    def pieces(self, name, shape, kind):
        digest = hashlib.sha256(f"{self.seed} {name}".encode()).digest()
        generator = np.random.default_rng(int.from_bytes(digest[:8], "little"))
        count = int(np.prod(shape))
        if kind != "weight":
            center = 1.0 if kind == "norm" else 0.0
            yield bfloat16(center + self.deviation * generator.standard_normal(count, dtype=np.float32))
            return
        for start in range(0, count, PIECE):
            size = min(PIECE, count - start)
            offset = int(generator.integers(0, POOL - size + 1))
            yield self.pool[offset : offset + size] ^ np.uint16(0x8000 * int(generator.integers(0, 2)))


def write_shard(path, tensors, source):
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, shape, _ in tensors:
        size = 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name, shape, kind in tensors:
            for piece in source.pieces(name, shape, kind):
                file.write(piece.data)
    return end


def shards(tensors, count):
    """Tensors in order, cut into `count` files of about the same size."""
    total = sum(int(np.prod(shape)) for _, shape, _ in tensors)
    result, done = [[] for _ in range(count)], 0
    for tensor in tensors:
        result[min(count - 1, done * count // total)].append(tensor)
        done += int(np.prod(tensor[1]))
    return result


def main():
    here = pathlib.Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--config", type=pathlib.Path, default=here / "configs" / "olmoe-1b-7b.json")
    parser.add_argument("--tokenizer", type=pathlib.Path, help="a tokenizer.json to copy in")
    parser.add_argument("--shards", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    config = json.loads(options.config.read_text())
    if options.shards < 1:
        sys.exit(f"--shards: expected at least 1, found {options.shards}; try 3")
    if options.folder.exists() and any(options.folder.iterdir()):
        sys.exit(f"{options.folder}: expected an empty or new folder, found files; try another name")
    options.folder.mkdir(parents=True, exist_ok=True)
    source = Source(options.seed, config.get("initializer_range", 0.02))
    index, total = {}, 0
    groups = shards(list(parameters(config)), options.shards)
    for number, tensors in enumerate(groups, 1):
        name = f"model-{number:05}-of-{len(groups):05}.safetensors" if len(groups) > 1 else "model.safetensors"
        total += write_shard(options.folder / name, tensors, source)
        index.update((tensor[0], name) for tensor in tensors)
        print(f"{name}: {len(tensors)} tensors, {total / 1e9:.2f} GB so far", flush=True)
    if len(groups) > 1:
        text = json.dumps({"metadata": {"total_size": total}, "weight_map": dict(sorted(index.items()))}, indent=2)
        (options.folder / "model.safetensors.index.json").write_text(text + "\n")
    shutil.copyfile(options.config, options.folder / "config.json")
    if options.tokenizer:
        shutil.copyfile(options.tokenizer, options.folder / "tokenizer.json")


if __name__ == "__main__":
    main()
