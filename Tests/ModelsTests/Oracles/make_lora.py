#!/usr/bin/env python3
"""Writes the LoRA oracles: PEFT's adapters over tiny models, and what PEFT and autograd compute with them in float64.

    python make_lora.py [--variant olmoe-tiny|qwen2_moe-tiny|deepseek_v2-odd] [--out DIR]

Adapters sit on attention, routers, shared experts and dense layers, and on some experts of each layer, with another rank
for each role and no factor zero but those of experts that are left out. `<variant>-lora/` gets what `save_pretrained`
writes, and oracle.h5 with logits, losses, the gradients of every factor by PEFT's names, and the losses of ten AdamW
steps. README.md says more.
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
import float64_reference  # noqa: E402

SEED = 20260115
ATTENTION, ROUTER, EXPERTS, SHARED = (
    dict(r=4, alpha=8), dict(r=2, alpha=3), dict(r=3, alpha=6), dict(r=5, alpha=2))
# Experts with adapters, layer by layer; all where nothing is said.
ADAPTED_EXPERTS = {"olmoe-tiny": {0: [0, 1, 3, 6], 1: [2, 3, 4, 7]}, "qwen2_moe-tiny": {}, "deepseek_v2-odd": {}}
PARAMETERS = ["mlp.gate.weight", "mlp.experts.gate_up_proj", "mlp.experts.down_proj"]
OPTIMIZER = dict(lr=1e-2, betas=[0.9, 0.95], eps=1e-8, weight_decay=0.1)


def layer_of(name):
    """(number of the layer, the rest of the name); None outside the layers"""
    _, found, rest = name.partition(".layers.")
    number, _, rest = rest.partition(".")
    return (int(number), rest) if found else (None, name)


def adapted(variant):
    """The model under PEFT, factors drawn anew: uniform, as large as PEFT's A, so that B moves the logits."""
    model = float64_reference.load(HERE / variant)
    modules = sorted({layer_of(name)[1] for name, module in model.named_modules()
                      if isinstance(module, torch.nn.Linear) and layer_of(name)[0] is not None})
    # PEFT would take these modules for single experts, which transformers 5 has stacked.
    shared = [f"{name}.weight" for name in modules if name.endswith(("gate_proj", "up_proj", "down_proj"))]
    modules = [name for name in modules if f"{name}.weight" not in shared]
    sizes = {name: ATTENTION if "self_attn" in name else SHARED for name in modules + shared}
    sizes["mlp.gate.weight"] = ROUTER
    config = peft.LoraConfig(
        task_type="CAUSAL_LM", r=EXPERTS["r"], lora_alpha=EXPERTS["alpha"], target_modules=modules,
        target_parameters=PARAMETERS + shared, rank_pattern={name: size["r"] for name, size in sizes.items()},
        alpha_pattern={name: size["alpha"] for name, size in sizes.items()})
    model = peft.get_peft_model(model, config).double()
    experts = next(m.num_experts for m in model.modules() if isinstance(m, peft.tuners.lora.ParamWrapper)
                   and m.num_experts > 1)
    generator = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for name, factor in model.named_parameters():
            if not factor.requires_grad:
                continue
            # Exact in float32, in which the adapters are stored.
            values = (torch.rand(factor.shape, generator=generator) * 2 - 1) * factor.shape[1] ** -0.5
            factor.copy_(values.float().double())
            kept = ADAPTED_EXPERTS[variant].get(layer_of(name)[0], range(experts))
            if ".experts." in name and len(kept) < experts:
                left_out = [e for e in range(experts) if e not in kept]
                if "lora_A" in name:
                    factor.view(experts, EXPERTS["r"], -1)[left_out] = 0
                else:
                    factor.view(-1, EXPERTS["r"], experts)[:, :, left_out] = 0
    return model.eval()


def run(model, ids, labels):
    """The result with `loss`, the auxiliary loss included where the family has one, and the cross-entropy alone."""
    options = dict(output_router_logits=True) if float64_reference.balances(model.get_base_model()) else {}
    result = model(input_ids=ids, labels=labels, use_cache=False, **options)
    return result, float64_reference.cross_entropy(model.get_base_model(), result.logits, labels)


def ten_steps(variant, ids, labels):
    """Losses before each of ten AdamW steps of the factors, and after the last."""
    model = adapted(variant)
    factors = [p for p in model.parameters() if p.requires_grad]
    # A pair of zeros has gradients of zero: experts that are left out stay so.
    optimizer = torch.optim.AdamW(factors, foreach=False, **OPTIMIZER)
    found = []
    for _ in range(11):
        with float64_reference.double_precision(model.get_base_model()):
            loss = run(model, ids, labels)[0].loss
            optimizer.zero_grad(set_to_none=False)
            loss.backward()
        found.append(loss.item())
        optimizer.step()
    return found


def write(variant, out):
    base, folder = HERE / variant, out / f"{variant}-lora"
    with h5py.File(base / "oracle.h5") as file:
        ids, labels = (torch.as_tensor(file[name][()]) for name in ("input_ids", "labels"))
    model = adapted(variant)
    config, gaps = model.get_base_model().config, []
    for layer in model.get_base_model().model.layers:
        if hasattr(layer.mlp, "gate"):
            layer.mlp.gate.register_forward_hook(lambda module, inputs, output: gaps.append(float64_reference.smallest_gap(
                torch.softmax(output[0].detach(), -1), config, config.num_experts_per_tok).item()))
    factors = {name: p for name, p in model.named_parameters() if p.requires_grad}
    with float64_reference.double_precision(model.get_base_model()):
        result, loss = run(model, ids, labels)
        gradients = torch.autograd.grad(result.loss, factors.values())
    values = {"logits": result.logits, "loss": loss, "loss_total": result.loss}
    values |= {f"grad_total/{name.replace('.default', '')}": g for (name, _), g in zip(factors.items(), gradients)}
    folder.mkdir(exist_ok=True)
    meta = dict(arithmetic="float64", seed=SEED, smallest_topk_gap=min(gaps), torch=torch.__version__,
                transformers=transformers.__version__, peft=peft.__version__)
    with h5py.File(folder / "oracle.h5", "w", libver=("v110", "v110")) as file:
        for name, value in values.items():
            array = value.detach().numpy().astype(np.float32)
            options = dict(compression="gzip", compression_opts=9, shuffle=True) if array.nbytes > 1024 else {}
            file.create_dataset(name, data=array, **options)
        file.attrs["meta"] = json.dumps(meta)
    steps = dict(optimizer=OPTIMIZER, losses=ten_steps(variant, ids, labels))
    (folder / "ten_steps.json").write_text(json.dumps(steps, indent=1) + "\n")
    model.float().save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    written = json.loads((folder / "adapter_config.json").read_text())
    written["base_model_name_or_path"] = None  # no path of the machine that made it
    written |= {key: sorted(written[key]) for key in ("target_modules", "target_parameters")}
    (folder / "adapter_config.json").write_text(json.dumps(written, indent=2, sort_keys=True) + "\n")
    with h5py.File(base / "oracle.h5") as file:
        moved = np.abs(values["logits"].detach().numpy() - file["logits"][()]).max()
    print(f"{variant}: loss_total {values['loss_total'].item():.6f}, logits moved by at most {moved:.3f}, smallest gap "
          f"{min(gaps):.1e}, ten steps {steps['losses'][0]:.6f} → {steps['losses'][-1]:.6f}, "
          f"{sum(f.stat().st_size for f in folder.iterdir()) / 1e6:.2f} MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", choices=sorted(ADAPTED_EXPERTS), action="append")
    parser.add_argument("--out", type=pathlib.Path, default=HERE)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    warnings.filterwarnings("ignore")  # patterns of parameters are applied, although PEFT says that they match nothing
    for variant in arguments.variant or sorted(ADAPTED_EXPERTS):
        write(variant, arguments.out)


if __name__ == "__main__":
    main()
