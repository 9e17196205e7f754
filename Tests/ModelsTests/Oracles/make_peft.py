#!/usr/bin/env python3
"""Writes `peft/`: adapter folders in the layouts that versions of PEFT write, and what PEFT computes with them in float64.

    python make_peft.py                                    # cases of the PEFT that is installed: 0.21.2
    PYTHONPATH=FOLDER python make_peft.py                  # with another version there: 0.18.1, 0.20.0

Each folder has `adapter_config.json` and `adapter_model.safetensors` as `save_pretrained` writes them, and
`reference.safetensors`: logits of the first positions of each row of the base model's batch, after
`PeftModel.from_pretrained`. Layouts of transformers 4, one pair of factors for each expert, are written by name, as that
is not installed; PEFT 0.21 reads them. README.md says more.
"""
import json
import pathlib
import shutil
import sys
import tempfile
import warnings

import h5py
import peft
import safetensors.torch
import torch

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "scripts"))
import float64_reference  # noqa: E402

POSITIONS = 4
VERSION = ".".join(peft.__version__.split(".")[:2])
ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
MLP = ["gate_proj", "up_proj", "down_proj"]

# Folder: base model, settings of LoraConfig; of the PEFT that is named at its end.
CASES = {
    "gate-up-alone-0.21": ("qwen3_moe-tiny", dict(target_modules=["q_proj"],
                                                  target_parameters=["mlp.experts.gate_up_proj"])),
    "down-alone-0.21": ("olmoe-tiny", dict(target_modules=[], target_parameters=["experts.down_proj"])),
    "down-alone-0.18": ("olmoe-tiny", dict(target_modules=[], target_parameters=["experts.down_proj"])),
    "experts-0.18": ("mixtral-tiny", dict(target_modules=["q_proj", "v_proj"], target_parameters=[
        "gate.weight", "gate_up_proj", "down_proj"], rank_pattern={"down_proj": 5, r"layers\.1\..*v_proj": 4})),
    "gate-up-alone-0.18": ("deepseek_v2-tiny", dict(target_modules=["kv_b_proj", "o_proj"],
                                                    target_parameters=["experts.gate_up_proj"])),
    "experts-0.20": ("mixtral-tiny", dict(target_modules=["q_proj", "v_proj"], target_parameters=[
        "gate.weight", "gate_up_proj", "down_proj"], rank_pattern={"down_proj": 5, r"layers\.1\..*v_proj": 4})),
    "gate-up-alone-0.20": ("deepseek_v2-tiny", dict(target_modules=["kv_b_proj", "o_proj"],
                                                    target_parameters=["experts.gate_up_proj"])),
    "all-projections-0.21": ("qwen3_moe-tiny", dict(target_modules=ATTENTION + MLP)),
    "all-linear-0.21": ("qwen2_moe-tiny", dict(target_modules="all-linear")),
    "mixtral-names-0.21": ("mixtral-tiny", dict(target_modules=["q_proj", "v_proj", "w1", "w2", "w3", "gate"])),
    "rank-stabilized-0.21": ("deepseek_v2-tiny", dict(
        target_modules=["kv_a_proj_with_mqa", "kv_b_proj", "o_proj"] + MLP, use_rslora=True)),
    "ranks-0.21": ("olmoe-tiny", dict(
        target_modules=["q_proj", "v_proj", "o_proj"], init_lora_weights="orthogonal", r=2, lora_alpha=4,
        rank_pattern={"q_proj": 4, r"layers\.[1-9]\.self_attn\.(v|o)_proj": 6}, alpha_pattern={".*q_proj": 8},
        layers_to_transform=[0, 1], exclude_modules=["model.layers.0.self_attn.o_proj"])),
    "modules-0.18": ("qwen2_moe-tiny", dict(
        target_modules=["q_proj", "shared_expert.gate_proj", "shared_expert.down_proj", "shared_expert_gate"],
        rank_pattern={"shared_expert_gate": 1}, use_rslora=True)),
}
# Layouts of transformers 4: base model, its block, projections with whether they go down, other modules, settings.
EACH_EXPERT = {
    "each-expert-0.21": ("qwen3_moe-tiny", "mlp", dict(gate_proj=False, up_proj=False, down_proj=True),
                         ["self_attn.q_proj"], {}),
    "each-expert-mixtral-0.21": ("mixtral-tiny", "block_sparse_moe", dict(w1=False, w3=False, w2=True),
                                 ["self_attn.v_proj", "block_sparse_moe.gate"], dict(dtype=torch.bfloat16)),
}


def draw(name, shape, rank):
    """Values that are exact in bfloat16, as large as PEFT's A at its beginning."""
    generator = torch.Generator().manual_seed(sum(name.encode()) * 31 + len(name))
    values = (torch.rand(shape, generator=generator) * 2 - 1) * (shape[1] if "lora_A" in name else rank) ** -0.5
    return values.bfloat16().float()


def each_expert(folder, variant, block, projections, others, settings):
    """A folder as PEFT writes it with transformers 4."""
    model = float64_reference.load(HERE / variant)
    config, sizes, rank = model.config, {}, 3
    hidden, width = config.hidden_size, getattr(config, "moe_intermediate_size", config.intermediate_size)
    matrices = dict(model.named_parameters())
    for layer in range(config.num_hidden_layers):
        for expert in range(8):
            for name, is_down in projections.items():
                sizes[f"model.layers.{layer}.{block}.experts.{expert}.{name}"] = \
                    (hidden, width) if is_down else (width, hidden)
        for name in others:
            own = f"model.layers.{layer}.{name.replace('block_sparse_moe', 'mlp')}.weight"
            sizes[f"model.layers.{layer}.{name}"] = tuple(matrices[own].shape)
    tensors = {}
    for name, (out, width) in sizes.items():
        for letter, shape in (("A", (rank, width)), ("B", (out, rank))):
            key = f"base_model.model.{name}.lora_{letter}.weight"
            tensors[key] = draw(key, shape, rank).to(settings.get("dtype", torch.float32))
    safetensors.torch.save_file(tensors, folder / "adapter_model.safetensors")
    targets = sorted(set(projections) | {name.rpartition(".")[2] for name in others})
    text = json.dumps(dict(
        alpha_pattern={}, bias="none", fan_in_fan_out=False, inference_mode=True, init_lora_weights=True, lora_alpha=6,
        lora_dropout=0.0, peft_type="LORA", peft_version="0.18.1", r=rank, rank_pattern={}, target_modules=targets,
        target_parameters=None, task_type="CAUSAL_LM", use_dora=False, use_rslora=False), indent=2)
    (folder / "adapter_config.json").write_text(text + "\n")


def written(folder, variant, settings):
    """A folder that PEFT writes, factors drawn anew."""
    settings = dict(r=3, lora_alpha=6, task_type="CAUSAL_LM") | settings
    model = peft.get_peft_model(float64_reference.load(HERE / variant).float(), peft.LoraConfig(**settings))
    with torch.no_grad():
        for name, factor in model.named_parameters():
            if factor.requires_grad:
                factor.copy_(draw(name, factor.shape, settings["r"]))
    with tempfile.TemporaryDirectory() as temporary:
        model.save_pretrained(temporary)
        for name in ("adapter_config.json", "adapter_model.safetensors"):
            shutil.copy(pathlib.Path(temporary) / name, folder / name)
    config = json.loads((folder / "adapter_config.json").read_text())
    config |= dict(base_model_name_or_path=None)
    for key in ("target_modules", "target_parameters"):
        if isinstance(config[key], list):
            config[key].sort()
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")


def main():
    warnings.simplefilter("ignore")
    for case, (variant, *rest) in (CASES | EACH_EXPERT).items():
        if not case.endswith(VERSION):
            continue
        folder = HERE / "peft" / case
        folder.mkdir(parents=True, exist_ok=True)
        (each_expert if case in EACH_EXPERT else written)(folder, variant, *rest)
        model = peft.PeftModel.from_pretrained(float64_reference.load(HERE / variant), str(folder)).double().eval()
        plain = float64_reference.load(HERE / variant).eval()
        with h5py.File(HERE / variant / "oracle.h5") as file:
            ids = torch.as_tensor(file["input_ids"][()])
        found = []
        for each in (model, plain):
            base = each.get_base_model() if each is model else each
            with torch.no_grad(), float64_reference.double_precision(base):
                found.append(each(input_ids=ids, use_cache=False).logits[:, :POSITIONS])
        safetensors.torch.save_file(
            {"logits": found[0].contiguous()}, folder / "reference.safetensors",
            metadata={"peft": peft.__version__, "base": variant})
        changed = ((found[0] - found[1]).norm() / found[1].norm()).item()
        print(f"{case}: {variant}, changes logits by {changed:.2f}")
        assert changed > 0.02


if __name__ == "__main__":
    main()
