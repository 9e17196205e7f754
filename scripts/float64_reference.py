"""Mixture-of-experts models as transformers computes them, in float64 throughout.

transformers casts to float32 by name in several places (norms, router softmax, rotary table, loss). `double_precision`
makes those names mean float64, and every operator that still returns a smaller float type stops the run: what comes out
is exact to about 1e-15, so a comparison against it measures the other side alone.

Used by Tests/ModelsTests/Oracles/make_models.py, make_base.py and scripts/check_trace.py.
"""
import contextlib
import sys

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import AutoModelForCausalLM
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS


class _TorchInDouble:
    """Stands in for the name `torch` in a module's source: its float32 is float64."""

    def __getattr__(self, name):
        return torch.float64 if name in ("float32", "float") else getattr(torch, name)


class _NoSmallFloats(TorchDispatchMode):
    """Fails on the first operator that leaves float64."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(value, torch.Tensor) and value.is_floating_point() and value.dtype != torch.float64:
                raise AssertionError(f"{func} returned {value.dtype}, expected float64")
        return result


@contextlib.contextmanager
def double_precision(model):
    """Inside, `model` (float64 weights) computes in float64 alone; outside, torch and transformers are as before."""
    modules = [sys.modules[name] for name in
               (type(model).__module__, "transformers.loss.loss_utils", "transformers.modeling_rope_utils")]
    to_float, default = torch.Tensor.float, torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        torch.Tensor.float = torch.Tensor.double
        for module in modules:
            module.torch = _TorchInDouble()
        rotary = model.model.rotary_emb
        make = ROPE_INIT_FUNCTIONS.get(rotary.rope_type, rotary.compute_default_rope_parameters)
        rotary.inv_freq, rotary.attention_scaling = make(model.config)
        with _NoSmallFloats():
            yield
    finally:
        torch.set_default_dtype(default)
        torch.Tensor.float = to_float
        for module in modules:
            module.torch = torch


def load(folder):
    """The model in a Hugging Face folder, its weights widened to float64, plain attention and plain expert loops."""
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float64, attn_implementation="eager", experts_implementation="eager", local_files_only=True)
    return model.double().eval()  # routers that are kept in float32 too


def cross_entropy(model, logits, labels):
    """Mean over labels other than -100; position t predicts t + 1, as in transformers."""
    return model.loss_function(logits, labels, model.config.vocab_size)


def balances(model):
    """Whether transformers adds a balance loss to this family's loss in training; to DeepSeek-V2's it does not."""
    return hasattr(model.config, "router_aux_loss_coef")


def smallest_gap(p, config, k):
    """Smallest distance that decides a choice: between chosen and not chosen experts, and groups of experts."""
    def gap(scores, kept):
        ranked = scores.sort(-1, descending=True).values
        return (ranked[:, kept - 1] - ranked[:, kept]).min() if kept < scores.shape[-1] else scores.new_tensor(torch.inf)

    if getattr(config, "topk_method", "greedy") != "group_limited_greedy":
        return gap(p, k)
    groups = p.view(len(p), config.n_group, -1)
    best = groups.max(-1).values
    kept = torch.zeros_like(best).scatter(1, best.topk(config.topk_group).indices, 1).bool()
    return torch.minimum(gap(best, config.topk_group), gap((groups * kept[..., None]).flatten(1), k))


def trace(model, ids, labels, gradients=True, more_losses=None):
    """Every intermediate value, and the gradients by transformers' parameter names.

    ids, labels: integer arrays [B, S]. Returns float64 and int64 arrays:
      logits [B, S, V]; hidden/0 (embeddings), hidden/i (output of layer i, the last before the final norm),
      hidden/final_norm [B, S, H]; router_logits/i [B*S, E]; topk_index/i ascending, topk_weight/i [B*S, k];
      topk_gap/i, see smallest_gap; i counts all layers, dense ones have no entry;
      loss (cross-entropy), aux_loss (unscaled), aux_coef, loss_total; grad/NAME, grad_total/NAME.
    more_losses: name -> function of the lists of router logits and of chosen experts; each adds balance/<name>/value,
      balance/<name>/grad_router_logits/i (that layer's logits as leaves) and balance/<name>/grad/NAME of each router.
    """
    layers, config = model.model.layers, model.config
    seen, hooks = {}, []

    def before(name):
        return lambda module, args, kwargs: seen.__setitem__(name, (args[0] if args else kwargs["hidden_states"]))

    for i, layer in enumerate(layers):
        hooks.append(layer.register_forward_pre_hook(before(f"hidden/{i}"), with_kwargs=True))
        if hasattr(layer.mlp, "gate"):
            hooks.append(layer.mlp.gate.register_forward_hook(lambda m, x, y, i=i: seen.__setitem__(f"router/{i}", y)))
    hooks.append(model.model.norm.register_forward_pre_hook(before(f"hidden/{len(layers)}"), with_kwargs=True))
    hooks.append(model.model.norm.register_forward_hook(lambda m, x, y: seen.__setitem__("hidden/final_norm", y)))

    ids, labels = torch.as_tensor(ids), torch.as_tensor(labels)
    out = {"input_ids": ids.numpy(), "labels": labels.numpy()}
    with double_precision(model), torch.set_grad_enabled(gradients):
        extra = {"output_router_logits": True} if balances(model) else {}
        result = model(input_ids=ids, labels=labels, use_cache=False, **extra)
        loss = cross_entropy(model, result.logits, labels)
        auxiliary = result.aux_loss if extra else torch.zeros(())
        scalars = {"loss": loss, "aux_loss": auxiliary, "loss_total": result.loss}
        out["logits"] = result.logits.detach().numpy()
        out |= {name: value.detach().numpy() for name, value in seen.items() if name.startswith("hidden/")}
        out |= {name: value.detach().numpy() for name, value in scalars.items()}
        out["aux_coef"] = np.array(config.router_aux_loss_coef if extra else 0.0)
        sparse = [i for i in range(len(layers)) if f"router/{i}" in seen]
        routed, chosen = ([seen[f"router/{i}"][part] for i in sparse] for part in (0, 2))
        for i in sparse:
            logits, weight, index = (value.detach() for value in seen[f"router/{i}"])
            k = index.shape[-1]
            index, order = index.sort(-1)
            out[f"router_logits/{i}"] = logits.numpy()
            out[f"topk_index/{i}"] = index.numpy()
            out[f"topk_weight/{i}"] = weight.gather(-1, order).numpy()
            out[f"topk_gap/{i}"] = smallest_gap(torch.softmax(logits, -1), config, k).numpy()
        if gradients:
            names, parameters = zip(*model.named_parameters())
            for group, value in (("grad", loss), ("grad_total", result.loss)):
                found = torch.autograd.grad(value, parameters, retain_graph=True, materialize_grads=True)
                out |= {f"{group}/{name}": gradient.numpy() for name, gradient in zip(names, found)}
            routers = {name: p for name, p in model.named_parameters() if name.endswith("mlp.gate.weight")}
            for name, function in (more_losses or {}).items():
                value = function(routed, chosen)
                found = torch.autograd.grad(value, routers.values(), retain_graph=True)
                out |= {f"balance/{name}/grad/{n}": g.numpy() for n, g in zip(routers, found)}
                leaves = [logits.detach().requires_grad_() for logits in routed]
                value = function(leaves, chosen)
                out[f"balance/{name}/value"] = value.detach().numpy()
                for i, gradient in zip(sparse, torch.autograd.grad(value, leaves)):
                    out[f"balance/{name}/grad_router_logits/{i}"] = gradient.numpy()
    for hook in hooks:
        hook.remove()
    return out
