#!/usr/bin/env python3
"""Writes the LoRA oracle: PEFT's adapters over olmoe-tiny, and what PEFT and autograd compute with them in float64.

    python make_lora.py [--out DIR]

Adapters sit on attention, routers and some experts of each layer, with another rank for each role and no factor zero
but those of experts that are left out. `olmoe-tiny-lora/` gets what `save_pretrained` writes, and oracle.h5 with
logits, losses, the gradients of every factor by PEFT's names, and the losses of ten AdamW steps. README.md says more.
"""
import argparse
import json
import pathlib
import sys
import warnings

import h5py
import numpy as np
import peft
import torch
import transformers

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "scripts"))
import olmoe_float64  # noqa: E402

SEED = 20260115
ATTENTION, ROUTER, EXPERTS = dict(r=4, alpha=8), dict(r=2, alpha=3), dict(r=3, alpha=6)
ADAPTED_EXPERTS = [[0, 1, 3, 6], [2, 3, 4, 7]]
MODULES = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"]
PARAMETERS = ["mlp.gate.weight", "mlp.experts.gate_up_proj", "mlp.experts.down_proj"]
OPTIMIZER = dict(lr=1e-2, betas=[0.9, 0.95], eps=1e-8, weight_decay=0.1)


def adapted(folder):
    """The model under PEFT, factors drawn anew: uniform, as large as PEFT's A, so that B moves the logits."""
    model = olmoe_float64.load(folder)
    config = peft.LoraConfig(
        task_type="CAUSAL_LM", r=EXPERTS["r"], lora_alpha=EXPERTS["alpha"], target_modules=MODULES,
        target_parameters=PARAMETERS,
        rank_pattern={name: ATTENTION["r"] for name in MODULES} | {"mlp.gate.weight": ROUTER["r"]},
        alpha_pattern={name: ATTENTION["alpha"] for name in MODULES} | {"mlp.gate.weight": ROUTER["alpha"]})
    model = peft.get_peft_model(model, config).double()
    generator = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for name, factor in model.named_parameters():
            if not factor.requires_grad:
                continue
            # Exact in float32, in which the adapters are stored.
            values = (torch.rand(factor.shape, generator=generator) * 2 - 1) * factor.shape[1] ** -0.5
            factor.copy_(values.float().double())
            if ".experts." in name:
                layer, rank, experts = int(name.split(".layers.")[1].split(".")[0]), EXPERTS["r"], 8
                left_out = [e for e in range(experts) if e not in ADAPTED_EXPERTS[layer]]
                if "lora_A" in name:
                    factor.view(experts, rank, -1)[left_out] = 0
                else:
                    factor.view(-1, rank, experts)[:, :, left_out] = 0
    return model.eval()


def losses(model, ids, labels):
    """Cross-entropy, and with the auxiliary loss."""
    result = model(input_ids=ids, labels=labels, use_cache=False, output_router_logits=True)
    return result, olmoe_float64.cross_entropy(model.get_base_model(), result.logits, labels)


def ten_steps(folder, ids, labels):
    """Losses before each of ten AdamW steps of the factors, and after the last."""
    model = adapted(folder)
    factors = [p for p in model.parameters() if p.requires_grad]
    # A pair of zeros has gradients of zero: experts that are left out stay so.
    optimizer = torch.optim.AdamW(factors, foreach=False, **OPTIMIZER)
    found = []
    for _ in range(11):
        with olmoe_float64.double_precision(model.get_base_model()):
            loss = losses(model, ids, labels)[0].loss
            optimizer.zero_grad(set_to_none=False)
            loss.backward()
        found.append(loss.item())
        optimizer.step()
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=HERE)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")  # patterns of parameters are applied, although PEFT says that they match nothing
    base, folder = HERE / "olmoe-tiny", arguments.out / "olmoe-tiny-lora"
    with h5py.File(base / "oracle.h5") as file:
        ids, labels = (torch.as_tensor(file[name][()]) for name in ("input_ids", "labels"))
    model = adapted(base)
    factors = {name: p for name, p in model.named_parameters() if p.requires_grad}
    with olmoe_float64.double_precision(model.get_base_model()):
        result, loss = losses(model, ids, labels)
        values = {"logits": result.logits, "loss": loss, "aux_loss": result.aux_loss, "loss_total": result.loss}
        gradients = torch.autograd.grad(result.loss, factors.values())
        ranked = torch.stack([torch.softmax(logits, -1).sort(-1, descending=True).values
                              for logits in result.router_logits])
        gap = (ranked[..., 1] - ranked[..., 2]).min().item()  # top 2: float32 must choose the same
    values |= {f"grad_total/{name.replace('.default', '')}": g for (name, _), g in zip(factors.items(), gradients)}
    folder.mkdir(exist_ok=True)
    meta = dict(arithmetic="float64", seed=SEED, smallest_topk_gap=gap, adapted_experts=ADAPTED_EXPERTS, torch=torch.__version__,
                transformers=transformers.__version__, peft=peft.__version__)
    with h5py.File(folder / "oracle.h5", "w", libver=("v110", "v110")) as file:
        for name, value in values.items():
            array = value.detach().numpy().astype(np.float32)
            options = dict(compression="gzip", compression_opts=9, shuffle=True) if array.nbytes > 1024 else {}
            file.create_dataset(name, data=array, **options)
        file.attrs["meta"] = json.dumps(meta)
    steps = dict(optimizer=OPTIMIZER, losses=ten_steps(base, ids, labels))
    (folder / "ten_steps.json").write_text(json.dumps(steps, indent=1) + "\n")
    model.float().save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    config = json.loads((folder / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = None  # no path of the machine that made it
    config |= {key: sorted(config[key]) for key in ("target_modules", "target_parameters")}
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    with h5py.File(base / "oracle.h5") as file:
        moved = np.abs(values["logits"].detach().numpy() - file["logits"][()]).max()
    print(f"loss_total {values['loss_total'].item():.6f}, logits moved by at most {moved:.3f}, smallest gap {gap:.1e}, ten steps "
          f"{steps['losses'][0]:.6f} → {steps['losses'][-1]:.6f}, "
          f"{sum(f.stat().st_size for f in folder.iterdir()) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
