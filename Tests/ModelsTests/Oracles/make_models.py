#!/usr/bin/env python3
"""Writes the oracles: seeded random models of every family that transformers has, and what it computes for them in float64.

    python make_models.py [--variant NAME …] [--out DIR] [--check]

--check compares each gradient with a central difference along a random direction. README.md says what the files hold.
"""
import argparse
import json
import pathlib
import re
import sys

import h5py
import numpy as np
import torch
import transformers

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "scripts"))
import float64_reference  # noqa: E402

BATCH_SEED = 7

# Wider than the usual 0.02: gradients stay well above rounding.
COMMON = dict(initializer_range=0.08, bos_token_id=None, eos_token_id=2, pad_token_id=None, max_position_embeddings=256)
ROPE = {"rope_type": "default", "rope_theta": 10000.0}
# Seeds: of 1 to 12 those with the widest gap between chosen and not chosen.
# Two plain layers; and three in whose shapes no two sizes agree, with the switches that a reader is tempted to ignore.
TINY = dict(vocab_size=160, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_experts_per_tok=2,
            tie_word_embeddings=False, rope_parameters=ROPE)
ODD = dict(vocab_size=150, hidden_size=36, num_hidden_layers=3, num_attention_heads=6, num_key_value_heads=2,
           num_experts_per_tok=3, tie_word_embeddings=True)
CLASSES = {"olmoe": "Olmoe", "mixtral": "Mixtral", "qwen2_moe": "Qwen2Moe", "qwen3_moe": "Qwen3Moe",
           "deepseek_v2": "DeepseekV2"}
VARIANTS = {
    "olmoe-tiny": dict(
        config=dict(vocab_size=512, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4,
                    num_experts=8, num_experts_per_tok=2, intermediate_size=64, norm_topk_prob=False,
                    tie_word_embeddings=False, router_aux_loss_coef=0.01,
                    rope_parameters={"rope_type": "default", "rope_theta": 10000.0}),
        batch=(2, 24), seed=20240917),
    # The switches that a reader is tempted to ignore, all at once, in shapes of which no two agree.
    "olmoe-odd": dict(
        config=dict(vocab_size=300, hidden_size=48, num_hidden_layers=3, num_attention_heads=6, num_key_value_heads=2,
                    num_experts=12, num_experts_per_tok=5, intermediate_size=28, norm_topk_prob=True,
                    tie_word_embeddings=True, router_aux_loss_coef=0.02, clip_qkv=0.7, rms_norm_eps=1e-6,
                    rope_parameters={"rope_type": "default", "rope_theta": 5000.0}),
        batch=(4, 13), seed=8),  # of seeds 1 to 8 the one with the widest gap between chosen and not chosen
    "mixtral-tiny": dict(
        config=dict(TINY, num_key_value_heads=2, num_local_experts=8, intermediate_size=24, sliding_window=None,
                    router_aux_loss_coef=0.02, rope_parameters={"rope_type": "default", "rope_theta": 1e6}),
        batch=(2, 24), seed=1),
    "mixtral-odd": dict(
        config=dict(ODD, num_local_experts=10, intermediate_size=28, sliding_window=None, router_aux_loss_coef=0.01,
                    head_dim=8, rms_norm_eps=1e-6, rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 5e4}),
        batch=(4, 13), seed=6),
    "qwen2_moe-tiny": dict(
        config=dict(TINY, num_key_value_heads=4, num_experts=8, moe_intermediate_size=24, intermediate_size=72,
                    shared_expert_intermediate_size=56, norm_topk_prob=False, decoder_sparse_step=1, mlp_only_layers=[],
                    router_aux_loss_coef=0.001, qkv_bias=True, use_sliding_window=False),
        batch=(2, 24), seed=8),
    "qwen2_moe-odd": dict(
        config=dict(ODD, num_experts=12, moe_intermediate_size=28, intermediate_size=44,
                    shared_expert_intermediate_size=40, norm_topk_prob=True, decoder_sparse_step=1, mlp_only_layers=[1],
                    router_aux_loss_coef=0.01, qkv_bias=True, use_sliding_window=False,
                    rope_parameters={"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64,
                                     "rope_theta": 1e4}),
        batch=(4, 13), seed=12),
    "qwen3_moe-tiny": dict(
        config=dict(TINY, num_key_value_heads=2, head_dim=16, num_experts=8, moe_intermediate_size=24,
                    intermediate_size=72, norm_topk_prob=True, decoder_sparse_step=1, mlp_only_layers=[],
                    router_aux_loss_coef=0.001),
        batch=(2, 24), seed=8),
    "qwen3_moe-odd": dict(
        config=dict(ODD, head_dim=10, num_experts=12, moe_intermediate_size=28, intermediate_size=44,
                    norm_topk_prob=False, decoder_sparse_step=2, mlp_only_layers=[], router_aux_loss_coef=0.01,
                    rope_parameters={"rope_type": "default", "rope_theta": 5000.0}),
        batch=(4, 13), seed=9),
    "deepseek_v2-tiny": dict(
        config=dict(TINY, num_key_value_heads=4, n_routed_experts=8, moe_intermediate_size=24, n_shared_experts=2,
                    intermediate_size=72, first_k_dense_replace=1, q_lora_rank=None, kv_lora_rank=20,
                    qk_nope_head_dim=8, qk_rope_head_dim=6, head_dim=6, v_head_dim=10, topk_method="greedy", n_group=1,
                    topk_group=1, routed_scaling_factor=1.0, norm_topk_prob=False),
        batch=(2, 24), seed=1),
    # Query compression, groups, scaling, YaRN with the factor of the scores: what the full model has and Lite has not.
    "deepseek_v2-odd": dict(
        config=dict(ODD, num_key_value_heads=6, n_routed_experts=12, moe_intermediate_size=28, n_shared_experts=1,
                    intermediate_size=44, first_k_dense_replace=1, q_lora_rank=22, kv_lora_rank=20, qk_nope_head_dim=12,
                    qk_rope_head_dim=8, head_dim=8, v_head_dim=10, max_position_embeddings=2560,
                    topk_method="group_limited_greedy", n_group=4, topk_group=2, routed_scaling_factor=2.5,
                    norm_topk_prob=False,
                    rope_parameters=dict(rope_type="yarn", rope_theta=10000.0, factor=40.0, beta_fast=32, beta_slow=1,
                                         original_max_position_embeddings=64, mscale=0.9, mscale_all_dim=0.707)),
        batch=(4, 13), seed=8),
}
OPTIMIZER = dict(lr=1e-3, betas=[0.9, 0.95], eps=1e-8, weight_decay_matrices=0.1, weight_decay_vectors=0.0)


def make_model(variant):
    """A seeded random model; norm weights are moved off 1 and biases off 0, so that ignoring one is noticed."""
    seed, name = VARIANTS[variant]["seed"], CLASSES[variant.rsplit("-", 1)[0]]
    torch.manual_seed(seed)
    config = getattr(transformers, name + "Config")(**(COMMON | VARIANTS[variant]["config"]))
    model = getattr(transformers, name + "ForCausalLM")(config).float()
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if name.endswith("norm.weight"):
                parameter.copy_(1 + 0.1 * torch.randn(parameter.shape, generator=generator))
            elif name.endswith("bias"):
                parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model


def make_batch(vocabulary, batch, sequence):
    """Ids from 3 up (0, 1, 2 are kept free), labels with a masked prompt in the first row, a masked tail in the last."""
    ids = np.random.default_rng(BATCH_SEED).integers(3, vocabulary, (batch, sequence))
    labels = ids.copy()
    labels[-1, -max(1, sequence // 6):] = -100
    labels[0, :sequence // 5] = -100
    return ids.astype(np.int64), labels.astype(np.int64)


def switch_loss(router_logits, chosen):
    """Mean over layers of E · Σ_e f_e · P_e: f_e the share of the T·k slots, P_e the mean probability; 1 at balance."""
    values = []
    for logits, indices in zip(router_logits, chosen):
        experts, p = logits.shape[-1], torch.softmax(logits, -1)
        counts = torch.bincount(indices.reshape(-1), minlength=experts).to(p.dtype)
        values.append(experts * (counts / counts.sum() * p.mean(0)).sum())
    return torch.stack(values).mean()


def z_loss(router_logits, chosen):
    """Mean over layers of the mean over tokens of logsumexp(logits)²."""
    return torch.stack([torch.logsumexp(logits, -1).square().mean() for logits in router_logits]).mean()


def hub_names(name, array, mixtral=False):
    """One stacked expert tensor → the hub's name and array per expert; everything else as it is."""
    if mixtral:
        words = {"mlp": "block_sparse_moe", "gate_proj": "w1", "up_proj": "w3", "down_proj": "w2"}
        for full, matrix in hub_names(name, array):
            yield ".".join(words.get(word, word) for word in full.split(".")), matrix
        return
    match = re.fullmatch(r"(.*\.mlp\.experts)\.(gate_up_proj|down_proj)", name)
    if not match:
        yield name, array
        return
    prefix, kind = match.groups()
    for e, matrix in enumerate(array):
        if kind == "down_proj":
            yield f"{prefix}.{e}.down_proj.weight", matrix
        else:
            gate, up = np.split(matrix, 2)
            yield f"{prefix}.{e}.gate_proj.weight", gate
            yield f"{prefix}.{e}.up_proj.weight", up


def write_oracle(path, values, meta):
    """float32 numbers, compressed; a `grad_total` that equals its `grad` is a hard link to it, read like any other.

    The layout of HDF5 1.10: older ones spend 2 KiB of index on every compressed array.
    """
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        for name, value in values.items():
            group, _, rest = name.partition("/")
            mixtral = meta["model_type"] == "mixtral"
            pieces = hub_names(rest, value, mixtral) if group in ("grad", "grad_total") else [(rest, value)]
            for piece, array in pieces:
                full = f"{group}/{piece}" if piece else group
                array = np.asarray(array, np.int64 if array.dtype.kind == "i" else np.float32)
                twin = f"grad/{piece}" if group == "grad_total" else None
                if twin and np.array_equal(file[twin][()], array):
                    file[full] = file[twin]
                elif array.nbytes > 1024:
                    file.create_dataset(full, data=array, chunks=array.shape, compression="gzip", compression_opts=9,
                                        shuffle=True)
                else:
                    file[full] = array
        file.attrs["meta"] = json.dumps(meta)


def ten_steps(folder, ids, labels):
    """Losses (with the auxiliary loss) before each of ten AdamW steps on that batch, and after the last, in float64."""
    model = float64_reference.load(folder).train()
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    groups = [dict(params=matrices, weight_decay=OPTIMIZER["weight_decay_matrices"]),
              dict(params=vectors, weight_decay=OPTIMIZER["weight_decay_vectors"])]
    optimizer = torch.optim.AdamW(groups, lr=OPTIMIZER["lr"], betas=OPTIMIZER["betas"], eps=OPTIMIZER["eps"],
                                  foreach=False)
    ids, labels, losses = torch.as_tensor(ids), torch.as_tensor(labels), []
    for _ in range(11):
        with float64_reference.double_precision(model):
            extra = {"output_router_logits": True} if float64_reference.balances(model) else {}
            loss = model(input_ids=ids, labels=labels, use_cache=False, **extra).loss
            optimizer.zero_grad(set_to_none=False)
            loss.backward()
        losses.append(loss.item())
        optimizer.step()
    return losses


def check_gradients(model, ids, labels, values):
    """Largest relative error of ⟨∇loss_total, d⟩ against a central difference, over all parameters."""
    generator, worst = torch.Generator().manual_seed(1), 0.0

    def loss():
        return float(float64_reference.trace(model, ids, labels, gradients=False)["loss_total"])

    for name, parameter in model.named_parameters():
        direction = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        step, kept = 1e-6 / direction.norm(), parameter.detach().clone()
        with torch.no_grad():
            parameter.copy_(kept + step * direction)
            above = loss()
            parameter.copy_(kept - step * direction)
            below = loss()
            parameter.copy_(kept)
        numeric = (above - below) / (2 * step.item())
        analytic = float((torch.as_tensor(values[f"grad_total/{name}"]) * direction).sum())
        worst = max(worst, abs(numeric - analytic) / max(abs(analytic), 1e-3))
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", choices=sorted(VARIANTS), action="append")
    parser.add_argument("--out", type=pathlib.Path, default=HERE)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    for variant in arguments.variant or sorted(VARIANTS):
        settings, folder = VARIANTS[variant], arguments.out / variant
        make_model(variant).save_pretrained(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
        model = float64_reference.load(folder)
        ids, labels = make_batch(model.config.vocab_size, *settings["batch"])
        losses = {"switch": switch_loss, "z": z_loss}
        values = float64_reference.trace(model, ids, labels, more_losses=losses)
        meta = dict(model_type=model.config.model_type, arithmetic="float64", model_seed=settings["seed"], batch_seed=BATCH_SEED,
                    torch=torch.__version__, transformers=transformers.__version__)
        write_oracle(folder / "oracle.h5", values, meta)
        steps = dict(optimizer=OPTIMIZER, losses=ten_steps(folder, ids, labels))
        (folder / "ten_steps.json").write_text(json.dumps(steps, indent=1) + "\n")
        gaps = [float(value) for name, value in values.items() if name.startswith("topk_gap/")]
        silent = sum(not g.any() for n, a in values.items() if n.startswith("grad/") for _, g in hub_names(n[5:], a))
        print(f"{variant}: loss {values['loss']:.6f}, aux {values['aux_loss']:.6f}, "
              f"switch {values['balance/switch/value']:.6f}, z {values['balance/z/value']:.6f}, "
              f"smallest gap {min(gaps):.2e}, all-zero gradients {silent}, "
              f"{sum(f.stat().st_size for f in folder.iterdir()) / 1e6:.2f} MB")
        if arguments.check:
            print(f"  worst error against central differences {check_gradients(model, ids, labels, values):.1e}")


if __name__ == "__main__":
    main()
