# Copyright 2026 The Occult authors
# SPDX-License-Identifier: Apache-2.0
"""Qwen2Moe whose tokens use experts on at most `device_limit` devices, as Occult fine-tuned it.

Written by `occult convert --with-code`. Everything is transformers' own Qwen2Moe but for one step: what each layer's
router does with its probabilities. The `occult` section of config.json says which device holds which expert and how a
token is brought within the limit. Load it with

    AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True)

Without trust_remote_code transformers loads the plain Qwen2Moe: the same weights under no limit.

Method: Luo et al. 2025, Occult, arXiv 2505.13345. Ties between probabilities go to the expert of the lower number.
"""
import itertools

import torch
import torch.nn.functional as F
import transformers

if transformers.__version__.split(".")[0] != "5":
    raise ImportError(f"modeling_occult_qwen2_moe: expected transformers 5, found {transformers.__version__}; "
                      "try pip install 'transformers>=5,<6'")
try:
    from transformers.models.qwen2_moe.modeling_qwen2_moe import Qwen2MoeForCausalLM, Qwen2MoeTopKRouter
except ImportError as error:
    raise ImportError(f"modeling_occult_qwen2_moe: expected a transformers with Qwen2MoeTopKRouter, found "
                      f"{transformers.__version__} without; try another version below 6") from error

# How this family's own router makes weights of probabilities: whether they are divided by their sum (None: as
# config.norm_topk_prob says), whether they are rounded to the type of the logits, whether those are float32 always.
NORMALIZES, ROUNDS, WIDENS = None, True, False

POLICIES = ("none", "router", "mass", "best_mass", "adaptive", "drop", "random_devices")


def ranked(scores):
    """Indices of the last axis by falling score, ties to the lower index."""
    return scores.sort(dim=-1, descending=True, stable=True).indices


class Rule:
    """One layer's rule, from probabilities p [T, E] to the k experts of each token and the sources of their weights."""

    def __init__(self, settings, layer, expert_device, top_k):
        self.policy, self.inherits = settings["policy"], settings["weight_source"] == "inherited"
        self.devices, self.top_k, self.epsilon = settings["devices"], top_k, settings["epsilon"]
        self.limit = min(settings["device_limit"] or self.devices, self.devices)
        self.seed = settings["seed"] + layer
        self.expert_device, self._table = expert_device, None
        if self.policy not in POLICIES:
            raise ValueError(f"config.json occult.policy: expected one of {', '.join(POLICIES)}, found '{self.policy}'")

    def table(self, device):
        """[E], expert -> device that holds it."""
        if self._table is None or self._table.device != device:
            self._table = torch.tensor(self.expert_device, device=device)
        return self._table

    def __call__(self, p, chosen):
        """p [T, E] and the model's own choice [T, k] by falling p -> experts, sources, present, each [T, k].

        A token that loses an expert under `drop` names one that it has a second time, with `present` false.
        """
        if self.policy == "none":
            return chosen, chosen, torch.ones_like(chosen, dtype=torch.bool)
        on_kept = self.kept(p, chosen).index_select(1, self.table(p.device))  # [T, E]
        stays = on_kept.gather(1, chosen)  # [T, k]
        # Experts that stay, then lost ones, both by falling p: place by place what `experts` below stand in for.
        order = ranked(stays.int())
        replaced, present = chosen.gather(1, order), stays.gather(1, order)
        if self.policy == "drop":
            experts = torch.where(present, replaced, replaced[:, :1])
            return experts, experts, present
        # Experts that stay, then the best others on kept devices, both by falling p.
        level = on_kept.int().scatter_add(1, chosen, stays.int())
        by_p = ranked(p)
        experts = by_p.gather(1, ranked(level.gather(1, by_p)))[:, :self.top_k]
        return experts, replaced if self.inherits else experts, torch.ones_like(present)

    def kept(self, p, chosen):
        """[T, D]: the devices that each token keeps; all that it chose where they are few enough."""
        slots = F.one_hot(self.table(p.device)[chosen], self.devices).bool()  # [T, k, D]
        hit = slots.any(1)
        count = hit.sum(-1, keepdim=True)
        keep = torch.full_like(count, self.limit)
        if self.policy in ("router", "drop"):  # in the order in which the choice by falling p meets them
            place = torch.arange(self.top_k, device=p.device)[:, None]
            order = ranked(-torch.where(slots, place, self.top_k).amin(1))
        elif self.policy in ("mass", "adaptive"):  # by falling probability of the choice
            mass = (slots * p.gather(1, chosen).double()[..., None]).sum(1)
            order = ranked(torch.where(hit, mass, -1))
            if self.policy == "adaptive":
                share = mass.gather(1, order).cumsum(-1)
                seats = torch.bincount(self.table(p.device), minlength=self.devices)[order].cumsum(-1)
                enough = (share >= (1 - self.epsilon) * share[:, -1:]) & (seats >= self.top_k)
                fewest = (~enough).int().cumprod(-1).sum(-1, keepdim=True) + 1
                keep = torch.minimum(torch.minimum(fewest, count), keep)
        elif self.policy == "random_devices":
            order = self.shuffled(hit, count)
        else:
            return torch.where(count <= self.limit, hit, self.best_set(p))
        first = torch.arange(self.devices, device=p.device) < keep
        kept = torch.zeros_like(hit).scatter(1, order, first) & hit
        return kept if self.policy == "adaptive" else torch.where(count <= self.limit, hit, kept)

    def best_set(self, p):
        """[T, D]: of all sets of `limit` devices the first whose best k experts have the largest sum of p."""
        best = p.new_full((len(p), 1), -1, dtype=torch.double)
        kept = torch.zeros(len(p), self.devices, dtype=torch.bool, device=p.device)
        for devices in itertools.combinations(range(self.devices), self.limit):
            members = F.one_hot(torch.tensor(devices, device=p.device), self.devices).sum(0).bool()
            found = p.masked_fill(~members[self.table(p.device)], -1).topk(self.top_k).values
            total = found.double().sum(-1, keepdim=True)
            kept = torch.where(total > best, members, kept)
            best = torch.maximum(total, best)
        return kept

    def shuffled(self, hit, count):
        """[T, D]: the devices hit in random order, seeded by layer and by the token's number in the batch.

        A partial shuffle by SplitMix64 (Steele, Lea, Flood 2014), in 64-bit integers that wrap.
        """
        def signed(n):
            return (n + (1 << 63)) % (1 << 64) - (1 << 63)

        def shifted(z, bits):  # logical, where >> keeps the sign
            return (z >> bits) & ((1 << (64 - bits)) - 1)

        def mixed(z):
            z = (z ^ shifted(z, 30)) * signed(0xBF58476D1CE4E5B9)
            z = (z ^ shifted(z, 27)) * signed(0x94D049BB133111EB)
            return z ^ shifted(z, 31)

        golden = 0x9E3779B97F4A7C15
        seed = torch.tensor([[signed(self.seed + golden)]], device=hit.device)
        number = torch.arange(len(hit), device=hit.device)[:, None]
        state = mixed(seed) ^ mixed(number + signed(0xD1B54A32D192ED03))
        order = ranked(hit.int())  # ascending devices
        for place in range(self.limit):
            state = state + signed(golden)
            draw, bound = mixed(state), (count - place).clamp(min=1)
            low = shifted((draw & 0xFFFFFFFF) * bound, 32)
            other = place + shifted(shifted(draw, 32) * bound + low, 32)  # place + the upper half of draw * bound
            here, there = order[:, place:place + 1].clone(), order.gather(1, other)
            order = order.scatter(1, other, here)
            order[:, place:place + 1] = there
        return order


class OccultQwen2MoeRouter(Qwen2MoeTopKRouter):
    """The family's router, its choice brought within the limit."""

    def __init__(self, config, rule, renormalize):
        super().__init__(config)
        self.rule, self.renormalize = rule, renormalize
        self.normalizes = config.norm_topk_prob if NORMALIZES is None else NORMALIZES

    def choose(self, p):
        """The model's own choice [T, k] by falling p; some DeepSeek-V2 choose from the best groups of experts alone."""
        if getattr(self, "topk_method", "greedy") == "group_limited_greedy":
            groups = ranked(p.unflatten(1, (self.num_group, -1)).amax(-1))[:, :self.topk_group]
            wanted = torch.zeros(len(p), self.num_group, dtype=torch.bool, device=p.device).scatter(1, groups, True)
            p = p.masked_fill(~wanted.repeat_interleave(p.shape[1] // self.num_group, 1), 0)
        return ranked(p)[:, :self.top_k]

    def forward(self, hidden_states):
        x = hidden_states.reshape(-1, self.hidden_dim)
        logits = F.linear(x.float(), self.weight.float()) if WIDENS else F.linear(x, self.weight)
        p = logits.softmax(-1, dtype=torch.float32)
        with torch.no_grad():  # which experts is no function with a gradient
            chosen = self.choose(p)
            experts, sources, present = self.rule(p, chosen)
        mass = p.gather(1, sources) * present
        weights = mass
        if self.normalizes:
            weights = mass / mass.sum(-1, keepdim=True)
        elif self.renormalize != "model":
            factor = p.gather(1, chosen).sum(-1, keepdim=True) / mass.sum(-1, keepdim=True)
            weights = mass * (factor.detach() if self.renormalize == "original_mass_detached" else factor)
        weights = weights * getattr(self, "routed_scaling_factor", 1)
        return logits, weights.to(logits.dtype) if ROUNDS else weights, experts


class OccultQwen2MoeForCausalLM(Qwen2MoeForCausalLM):
    """The family's language model with the routers above in every sparse layer."""

    def __init__(self, config):
        super().__init__(config)
        settings = getattr(config, "occult", None) or {}
        if settings.get("version") != 1:
            raise ValueError("config.json occult: expected a section of version 1, found "
                             f"{settings.get('version', 'none')}; try exporting the model again")
        placement = {layer["layer"]: layer["expert_device"] for layer in settings["layers"]}
        for number, layer in enumerate(self.model.layers):
            router = getattr(layer.mlp, "gate", None)
            if not isinstance(router, Qwen2MoeTopKRouter):
                continue
            if len(placement.get(number, [])) != router.num_experts:
                raise ValueError(f"config.json occult.layers: expected a device for each of {router.num_experts} "
                                 f"experts of layer {number}, found {len(placement.get(number, []))}")
            rule = Rule(settings, number, placement[number], router.top_k)
            layer.mlp.gate = OccultQwen2MoeRouter(config, rule, settings["renormalize"])
            layer.mlp.gate.weight = router.weight

    @classmethod
    def _can_set_experts_implementation(cls):
        # transformers looks into the file of the class for this; the experts are the family's own. Without it they
        # would run one after the other.
        return Qwen2MoeForCausalLM._can_set_experts_implementation()

    @classmethod
    def is_backend_compatible(cls):
        # Engines ask before they build the family's model by themselves, which would have no limit.
        return False
