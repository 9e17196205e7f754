#!/usr/bin/env python3
"""Compares the DeepSeek-MoE (v1) oracles with PyTorch's autograd, in float64.

    python check_deepseek.py

Everything but the mixture is transformers' Llama (the family's attention, norms, rotary table and dense layers are
Llama's); the mixture is written below in a few lines of torch that share nothing with make_deepseek.py. Prints the
largest relative error over all arrays of each kind; float32 storage alone makes 6e-8.
"""
import json
import pathlib
import sys

import h5py
import numpy as np
import safetensors.torch
import torch
import transformers
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "scripts"))
import float64_reference  # noqa: E402


class Expert(nn.Module):
    def __init__(self, hidden, width):
        super().__init__()
        self.gate_proj, self.up_proj = (nn.Linear(hidden, width, bias=False) for _ in range(2))
        self.down_proj = nn.Linear(width, hidden, bias=False)

    def forward(self, x):
        return self.down_proj(nn.functional.silu(self.gate_proj(x)) * self.up_proj(x))


class Mixture(nn.Module):
    """Every expert computes every token; a dense [T, E] matrix of weights, zero where not chosen, mixes them."""

    def __init__(self, c):
        super().__init__()
        hidden, width, self.c = c["hidden_size"], c["moe_intermediate_size"], c
        self.gate = nn.Linear(hidden, c["n_routed_experts"], bias=False)
        self.experts = nn.ModuleList(Expert(hidden, width) for _ in range(c["n_routed_experts"]))
        self.shared_experts = Expert(hidden, width * c["n_shared_experts"])

    def forward(self, x):
        c, k = self.c, self.c["num_experts_per_tok"]
        p = self.gate(x).softmax(-1)
        chosen = p >= p.topk(k).values[..., -1:]
        w = torch.where(chosen, p, 0)
        if c["norm_topk_prob"] and k > 1:
            w = w / (w.sum(-1, keepdim=True) + 1e-20)
        each = torch.stack([expert(x) for expert in self.experts], -1)
        share = chosen.double().mean(1) * c["n_routed_experts"] / k  # [B, E]
        self.sequence = (share * p.mean(1)).sum(-1).mean()
        return (each * w.unsqueeze(-2)).sum(-1) + self.shared_experts(x)


def load(folder, c):
    shared = ("vocab_size hidden_size num_hidden_layers num_attention_heads num_key_value_heads intermediate_size "
              "rms_norm_eps max_position_embeddings tie_word_embeddings").split()
    config = transformers.LlamaConfig(**{key: c[key] for key in shared}, attn_implementation="eager",
                                      rope_parameters={"rope_type": "default", "rope_theta": c["rope_theta"]})
    model = transformers.LlamaForCausalLM(config)
    for i, layer in enumerate(model.model.layers):
        if i >= c["first_k_dense_replace"] and i % c["moe_layer_freq"] == 0:
            layer.mlp = Mixture(c)
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    missing, unexpected = model.double().load_state_dict(weights, strict=False)
    assert not unexpected and missing == (["lm_head.weight"] if c["tie_word_embeddings"] else []), (missing, unexpected)
    model.tie_weights()
    return model.eval()


def check(folder):
    c = json.loads((folder / "config.json").read_text())
    model, worst = load(folder, c), {}
    with h5py.File(folder / "oracle.h5") as file:
        def compare(kind, name, value):
            a, b = value.detach().numpy(), file[name][()].astype(np.float64)
            error = np.linalg.norm(a - b) / max(np.linalg.norm(b), 1e-30) if b.any() else np.abs(a).max()
            worst[kind] = max(worst.get(kind, 0), error)

        ids, labels = (torch.as_tensor(file[name][()]) for name in ("input_ids", "labels"))
        with float64_reference.double_precision(model):
            out = model(input_ids=ids, use_cache=False, output_hidden_states=True)
            loss = float64_reference.cross_entropy(model, out.logits, labels)
            sequence = sum(m.sequence for m in model.modules() if isinstance(m, Mixture))
            names, parameters = zip(*model.named_parameters())
            for group, value in (("grad", loss), ("grad_sequence", loss + c["aux_loss_alpha"] * sequence)):
                found = torch.autograd.grad(value, parameters, retain_graph=True, materialize_grads=True)
                for name, gradient in zip(names, found):
                    compare(group, f"{group}/{name}", gradient)
        compare("logits", "logits", out.logits)
        for i, hidden in enumerate(out.hidden_states[:-1]):
            compare("hidden", f"hidden/{i}", hidden)
        compare("hidden", "hidden/final_norm", out.hidden_states[-1])
        compare("loss", "loss", loss)
        compare("aux_loss_sequence", "aux_loss_sequence", sequence)
    print(folder.name, {kind: float(f"{error:.1e}") for kind, error in worst.items()})


def main():
    torch.set_num_threads(1)
    for folder in sorted(HERE.glob("deepseek-*")):
        check(folder)


if __name__ == "__main__":
    main()
