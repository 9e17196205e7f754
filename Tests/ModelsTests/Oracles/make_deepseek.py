#!/usr/bin/env python3
"""Writes the DeepSeek-MoE (v1, `model_type: deepseek`) oracles: seeded random models and what they compute, in float64.

    python make_deepseek.py [--variant deepseek-tiny|deepseek-odd] [--out DIR]

transformers has no class for this family, so the model is written here a second time, from its published description
(Dai et al. 2024, arXiv 2401.06066, section 3; the hub's DeepseekConfig), in NumPy alone and in double precision, forward
and backward by hand. Every run compares each gradient with a central difference along a random direction and prints the
worst relative error of each loss. check_deepseek.py compares the files with PyTorch's autograd over transformers' Llama classes.
README.md says what the files hold.
"""
import argparse
import collections
import json
import pathlib

import h5py
import numpy as np
import safetensors.numpy

HERE = pathlib.Path(__file__).resolve().parent
BATCH_SEED = 7

COMMON = dict(
    architectures=["DeepseekForCausalLM"], attention_bias=False, attention_dropout=0.0, bos_token_id=0, eos_token_id=2,
    hidden_act="silu", initializer_range=0.08, max_position_embeddings=256, model_type="deepseek", pretraining_tp=1,
    rope_scaling=None, scoring_func="softmax", seq_aux=True, torch_dtype="float32", use_cache=True)
VARIANTS = {
    # A dense layer before two sparse ones, as in the published models.
    "deepseek-tiny": dict(
        config=dict(vocab_size=384, hidden_size=64, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=4,
                    intermediate_size=128, moe_intermediate_size=32, n_routed_experts=8, n_shared_experts=2,
                    num_experts_per_tok=2, first_k_dense_replace=1, moe_layer_freq=1, norm_topk_prob=False,
                    aux_loss_alpha=0.01, rms_norm_eps=1e-6, rope_theta=10000.0, tie_word_embeddings=False),
        batch=(2, 24), seed=29),  # of seeds 1 to 40 a wide gap, and one idle expert
    # The switches that a reader is tempted to ignore, all at once, in sizes of which no two agree. Layers 0, 1, 3 are
    # dense: only layers from first_k_dense_replace on whose number moe_layer_freq divides are sparse.
    "deepseek-odd": dict(
        config=dict(vocab_size=300, hidden_size=48, num_hidden_layers=5, num_attention_heads=6, num_key_value_heads=2,
                    intermediate_size=72, moe_intermediate_size=20, n_routed_experts=12, n_shared_experts=3,
                    num_experts_per_tok=4, first_k_dense_replace=1, moe_layer_freq=2, norm_topk_prob=True,
                    aux_loss_alpha=0.02, rms_norm_eps=1e-5, rope_theta=5000.0, tie_word_embeddings=True),
        batch=(7, 11), seed=26),  # of seeds 1 to 40 the one with the widest gap between chosen and not chosen
}
OPTIMIZER = dict(lr=1e-3, betas=[0.9, 0.95], eps=1e-8, weight_decay_matrices=0.1, weight_decay_vectors=0.0)


def is_sparse(c, layer):
    return layer >= c["first_k_dense_replace"] and layer % c["moe_layer_freq"] == 0


def parameter_shapes(c):
    """Hub name -> shape, in the order in which they are drawn."""
    h, head = c["hidden_size"], c["hidden_size"] // c["num_attention_heads"]
    shapes = {"model.embed_tokens.weight": (c["vocab_size"], h)}

    def mlp(prefix, width):
        shapes.update({f"{prefix}.gate_proj.weight": (width, h), f"{prefix}.up_proj.weight": (width, h),
                       f"{prefix}.down_proj.weight": (h, width)})

    for i in range(c["num_hidden_layers"]):
        layer = f"model.layers.{i}"
        for name, heads in (("q", c["num_attention_heads"]), ("k", c["num_key_value_heads"]),
                            ("v", c["num_key_value_heads"])):
            shapes[f"{layer}.self_attn.{name}_proj.weight"] = (heads * head, h)
        shapes[f"{layer}.self_attn.o_proj.weight"] = (h, c["num_attention_heads"] * head)
        if is_sparse(c, i):
            shapes[f"{layer}.mlp.gate.weight"] = (c["n_routed_experts"], h)
            for e in range(c["n_routed_experts"]):
                mlp(f"{layer}.mlp.experts.{e}", c["moe_intermediate_size"])
            mlp(f"{layer}.mlp.shared_experts", c["n_shared_experts"] * c["moe_intermediate_size"])
        else:
            mlp(f"{layer}.mlp", c["intermediate_size"])
        shapes[f"{layer}.input_layernorm.weight"] = (h,)
        shapes[f"{layer}.post_attention_layernorm.weight"] = (h,)
    shapes["model.norm.weight"] = (h,)
    if not c["tie_word_embeddings"]:
        shapes["lm_head.weight"] = (c["vocab_size"], h)
    return shapes


def make_parameters(c, seed):
    """float32 values: matrices N(0, initializer_range), norm weights around 1, so that ignoring one is noticed."""
    rng = np.random.default_rng(seed)
    draw = {name: rng.standard_normal(shape) for name, shape in parameter_shapes(c).items()}
    return {name: (1 + 0.1 * x if x.ndim == 1 else c["initializer_range"] * x).astype(np.float32)
            for name, x in draw.items()}


def make_batch(vocabulary, batch, sequence):
    """Ids from 3 up (0, 1, 2 are kept free), labels with a masked prompt in the first row, a masked tail in the last."""
    ids = np.random.default_rng(BATCH_SEED).integers(3, vocabulary, (batch, sequence))
    labels = ids.copy()
    labels[-1, -max(1, sequence // 6):] = -100
    labels[0, :sequence // 5] = -100
    return ids.astype(np.int64), labels.astype(np.int64)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def softmax_backward(p, dp):
    """dx of p = softmax(x): p · (dp − ⟨p, dp⟩)."""
    return p * (dp - (p * dp).sum(-1, keepdims=True))


class Pass:
    """One forward pass; `backward` walks it in reverse.

    Every layer function returns its value and a function from the value's gradient to the input's; the gradients of
    parameters are added to `self.gradients` on the way. Rows are tokens: [T, H], T = B · S.
    """

    def __init__(self, c, parameters, ids):
        self.c, self.p, self.ids, self.shape = c, parameters, ids.reshape(-1), ids.shape
        # Of each sparse layer: router logits, probabilities [T, E], chosen experts and their weights [T, k].
        self.routing = {}
        self.steps = []
        x = parameters["model.embed_tokens.weight"][self.ids]
        self.hidden = [x]
        for i in range(c["num_hidden_layers"]):
            name = f"model.layers.{i}"
            for norm, block in ((f"{name}.input_layernorm", lambda y: self.attention(f"{name}.self_attn", y)),
                                (f"{name}.post_attention_layernorm", lambda y: self.feed_forward(i, y))):
                normed, norm_back = self.rms_norm(f"{norm}.weight", x)
                y, block_back = block(normed)
                x = x + y
                self.steps.append(lambda dy, n=norm_back, b=block_back: dy + n(b(dy)))
            self.hidden.append(x)
        self.final, final_back = self.rms_norm("model.norm.weight", x)
        head = "model.embed_tokens.weight" if c["tie_word_embeddings"] else "lm_head.weight"
        self.logits, head_back = self.linear(head, self.final)
        self.steps += [final_back, head_back]

    def backward(self, logits=None, router={}):
        """Gradients of all parameters, of Σ ⟨logits, ·⟩ + Σ_i ⟨router[i], router logits of layer i⟩."""
        self.gradients = {name: np.zeros_like(value) for name, value in self.p.items()}
        self.router_gradients = router
        dy = np.zeros_like(self.logits) if logits is None else logits
        for step in reversed(self.steps):
            dy = step(dy)
        np.add.at(self.gradients["model.embed_tokens.weight"], self.ids, dy)
        return self.gradients

    def linear(self, name, x):
        """y = x · Wᵀ."""
        def back(dy):
            self.gradients[name] += dy.T @ x
            return dy @ self.p[name]
        return x @ self.p[name].T, back

    def rms_norm(self, name, x):
        """y = w · x / sqrt(mean(x²) + ε)."""
        scale = 1 / np.sqrt(np.square(x).mean(-1, keepdims=True) + self.c["rms_norm_eps"])
        n, w = x * scale, self.p[name]

        def back(dy):
            self.gradients[name] += (dy * n).sum(0)
            dn = dy * w
            return scale * (dn - n * (dn * n).mean(-1, keepdims=True))
        return n * w, back

    def swiglu(self, prefix, x):
        """down(silu(gate(x)) · up(x))."""
        gate, gate_back = self.linear(f"{prefix}.gate_proj.weight", x)
        up, up_back = self.linear(f"{prefix}.up_proj.weight", x)
        sigmoid = 1 / (1 + np.exp(-gate))
        y, down_back = self.linear(f"{prefix}.down_proj.weight", gate * sigmoid * up)

        def back(dy):
            da = down_back(dy)
            dgate = da * up * sigmoid * (1 + gate * (1 - sigmoid))
            return gate_back(dgate) + up_back(da * gate * sigmoid)
        return y, back

    def attention(self, prefix, x):
        """Causal attention; each key/value head serves `heads / kv_heads` consecutive query heads."""
        (batch, length), c = self.shape, self.c
        heads, kv_heads, d = c["num_attention_heads"], c["num_key_value_heads"], c["hidden_size"] // c["num_attention_heads"]
        angle = np.arange(length)[:, None] * c["rope_theta"] ** (-2 * np.arange(d // 2) / d)  # [S, d/2]
        cos, sin = np.cos(angle), np.sin(angle)

        def rotate(z, sin):
            """Pairs (z_i, z_{i + d/2}) turned by their angle; with −sin the inverse, which is the transpose."""
            a, b = z[..., :d // 2], z[..., d // 2:]
            return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)

        def split(z, n):  # [T, n · d] → [B, kv_heads, n / kv_heads, S, d]
            return z.reshape(batch, length, kv_heads, n // kv_heads, d).transpose(0, 2, 3, 1, 4)

        def merge(z):
            return z.transpose(0, 3, 1, 2, 4).reshape(batch * length, -1)

        (q, q_back), (k, k_back), (v, v_back) = (self.linear(f"{prefix}.{n}_proj.weight", x) for n in "qkv")
        q, k, v = rotate(split(q, heads), sin), rotate(split(k, kv_heads), sin), split(v, kv_heads)
        mask = np.where(np.tri(length, dtype=bool), 0, -np.inf)
        p = softmax(q @ k.swapaxes(-1, -2) / np.sqrt(d) + mask)
        y, o_back = self.linear(f"{prefix}.o_proj.weight", merge(p @ v))

        def back(dy):
            do = split(o_back(dy), heads)
            ds = softmax_backward(p, do @ v.swapaxes(-1, -2)) / np.sqrt(d)
            dq, dk, dv = ds @ k, ds.swapaxes(-1, -2) @ q, p.swapaxes(-1, -2) @ do
            dk, dv = (z.sum(2, keepdims=True) for z in (dk, dv))  # over the query heads of a group
            return q_back(merge(rotate(dq, -sin))) + k_back(merge(rotate(dk, -sin))) + v_back(merge(dv))
        return y, back

    def feed_forward(self, layer, x):
        prefix = f"model.layers.{layer}.mlp"
        return self.mixture(layer, prefix, x) if is_sparse(self.c, layer) else self.swiglu(prefix, x)

    def mixture(self, layer, prefix, x):
        """Σ_{e ∈ Top-k(p)} w_e · E_e(x) + shared(x), p = softmax(x · W_gᵀ); w = p, or p / (Σ p + 1e-20) over the chosen."""
        c, k = self.c, self.c["num_experts_per_tok"]
        logits, gate_back = self.linear(f"{prefix}.gate.weight", x)
        p = softmax(logits)
        chosen = np.sort(np.argsort(-p, -1, kind="stable")[:, :k], -1)  # ties to the lower index; ascending
        w = np.take_along_axis(p, chosen, -1)
        normalised = c["norm_topk_prob"] and k > 1
        total = w.sum(-1, keepdims=True) + 1e-20 if normalised else np.ones((len(w), 1))
        w = w / total
        y, shared_back = self.swiglu(f"{prefix}.shared_experts", x)
        parts = []
        for e in range(c["n_routed_experts"]):
            rows, slots = np.nonzero(chosen == e)
            out, expert_back = self.swiglu(f"{prefix}.experts.{e}", x[rows])
            np.add.at(y, rows, w[rows, slots][:, None] * out)
            parts.append((rows, slots, out, expert_back))
        self.routing[layer] = (logits, p, chosen, w)

        def back(dy):
            dx, dw = shared_back(dy), np.zeros_like(w)
            for rows, slots, out, expert_back in parts:
                dw[rows, slots] = (dy[rows] * out).sum(-1)
                np.add.at(dx, rows, expert_back(w[rows, slots][:, None] * dy[rows]))
            if normalised:  # w = s / Σ s
                dw = dw - (dw * w).sum(-1, keepdims=True)
            dp = np.zeros_like(p)
            np.put_along_axis(dp, chosen, dw / total, -1)
            return dx + gate_back(softmax_backward(p, dp) + self.router_gradients.get(layer, 0))
        return y, back


def cross_entropy(logits, labels):
    """Mean over labels other than −100 of −log softmax(logits)[label], position t predicting t + 1; and its gradient."""
    targets = np.concatenate([labels[:, 1:], np.full((len(labels), 1), -100)], 1).reshape(-1)
    rows = np.nonzero(targets != -100)[0]
    p = softmax(logits[rows])
    gradient = np.zeros_like(logits)
    picked = p[np.arange(len(rows)), targets[rows]]
    p[np.arange(len(rows)), targets[rows]] -= 1
    gradient[rows] = p / len(rows)
    return -np.log(picked).mean(), gradient


def balance(run, c, per_sequence):
    """Σ over sparse layers of mean_b Σ_e f[b, e] · mean_t P[b, t, e], f = count / (S · k / E): 1 a layer at balance.

    `per_sequence`: DeepSeek's seq_aux; otherwise one mean over the whole batch. Counts are constant in backward.
    Returns the value and the gradient for each layer's router logits.
    """
    experts, value, gradients = c["n_routed_experts"], 0, {}
    for layer, (_, p, chosen, _) in run.routing.items():
        groups = run.shape[0] if per_sequence else 1
        p, chosen = p.reshape(groups, -1, experts), chosen.reshape(groups, -1)
        length = p.shape[1]
        count = np.stack([np.bincount(row, minlength=experts) for row in chosen])
        f = count * experts / (length * c["num_experts_per_tok"])
        value += (f * p.mean(1)).sum(-1).mean()
        dp = np.broadcast_to(f[:, None] / (length * groups), p.shape)
        gradients[layer] = softmax_backward(p, dp).reshape(-1, experts)
    return value, gradients


def z_loss(run):
    """Mean over sparse layers of the mean over tokens of logsumexp(router logits)²."""
    value, gradients = 0, {}
    for layer, (logits, p, _, _) in run.routing.items():
        top = logits.max(-1)
        lse = top + np.log(np.exp(logits - top[:, None]).sum(-1))
        value += np.square(lse).mean() / len(run.routing)
        gradients[layer] = 2 * lse[:, None] * p / len(lse) / len(run.routing)
    return value, gradients


def scaled(pair, factor):
    return factor * pair[0], {layer: factor * gradient for layer, gradient in pair[1].items()}


def losses(run, c):
    """Name → (value, gradients for the router logits): `sequence` and `batch` as the model adds them up over layers
    (before aux_loss_alpha), `switch` the mean over sparse layers of the batch form, `z`."""
    batch = balance(run, c, per_sequence=False)
    return {"sequence": balance(run, c, per_sequence=True), "batch": batch, "switch": scaled(batch, 1 / len(run.routing)),
            "z": z_loss(run)}


def trace(c, parameters, ids, labels):
    """Everything that oracle.h5 holds."""
    run = Pass(c, parameters, ids)
    loss, dlogits = cross_entropy(run.logits, labels)
    out = {"input_ids": ids, "labels": labels, "logits": run.logits.reshape(*ids.shape, -1)}
    for i, hidden in [*enumerate(run.hidden), ("final_norm", run.final)]:
        out[f"hidden/{i}"] = hidden.reshape(*ids.shape, -1)
    for i, (logits, p, chosen, w) in run.routing.items():
        out |= {f"router_logits/{i}": logits, f"topk_index/{i}": chosen.astype(np.int64), f"topk_weight/{i}": w}
        ranked = -np.sort(-p, -1)
        k = chosen.shape[-1]
        out[f"topk_gap/{i}"] = (ranked[:, k - 1] - ranked[:, k]).min()
    gradients = {"grad": run.backward(dlogits), "grad_total": run.backward(dlogits)}
    for name, (value, router) in losses(run, c).items():
        out[f"balance/{name}/value"] = value
        out |= {f"balance/{name}/grad_router_logits/{i}": gradient for i, gradient in router.items()}
        through = run.backward(None, router)
        out |= {f"balance/{name}/grad/{n}": g for n, g in through.items() if n.endswith("mlp.gate.weight")}
        if name == "sequence":
            out["aux_loss_sequence"] = value
            gradients["grad_sequence"] = run.backward(dlogits, scaled((0, router), c["aux_loss_alpha"])[1])
    out |= {"loss": loss, "loss_total": loss, "aux_loss": 0.0, "aux_coef": c["aux_loss_alpha"]}
    out |= {f"{group}/{name}": g for group, values in gradients.items() for name, g in values.items()}
    return {name: np.asarray(value) for name, value in out.items()}


def check_gradients(c, parameters, ids, labels):
    """Worst relative error of ⟨∇, d⟩ against central differences, one random direction per parameter, for each loss."""
    rng, worst = np.random.default_rng(1), collections.defaultdict(float)

    def values(parameters):
        run = Pass(c, parameters, ids)
        loss, dlogits = cross_entropy(run.logits, labels)
        return run, {"loss": (loss, (dlogits, {}))} | {n: (v, (None, r)) for n, (v, r) in losses(run, c).items()}

    run, here = values(parameters)
    gradients = {name: run.backward(*start) for name, (_, start) in here.items()}
    for name, value in parameters.items():
        direction = rng.standard_normal(value.shape)
        direction /= np.linalg.norm(direction)
        above, below = (values(parameters | {name: value + sign * 1e-5 * direction})[1] for sign in (1, -1))
        for loss in here:
            numeric = (above[loss][0] - below[loss][0]) / 2e-5
            analytic = (gradients[loss][name] * direction).sum()
            # What a random direction sees of a gradient is its norm / sqrt(n); 1e-4 where the gradient is (almost) 0.
            typical = np.linalg.norm(gradients[loss][name]) / np.sqrt(value.size)
            worst[loss] = max(worst[loss], abs(numeric - analytic) / max(abs(analytic), typical, 1e-4))
    return dict(worst)


def ten_steps(c, parameters, ids, labels, alpha):
    """Losses (cross-entropy + alpha · sequence) before each of ten AdamW steps on that batch, and after the last."""
    parameters = {name: value.copy() for name, value in parameters.items()}
    m, v = ({name: np.zeros_like(value) for name, value in parameters.items()} for _ in range(2))
    (b1, b2), found = OPTIMIZER["betas"], []
    for step in range(1, 12):
        run = Pass(c, parameters, ids)
        loss, dlogits = cross_entropy(run.logits, labels)
        auxiliary, router = scaled(balance(run, c, per_sequence=True), alpha)
        found.append(float(loss + auxiliary))
        for name, g in run.backward(dlogits, router).items():
            p = parameters[name]
            decay = OPTIMIZER["weight_decay_matrices" if p.ndim >= 2 else "weight_decay_vectors"]
            m[name] = b1 * m[name] + (1 - b1) * g
            v[name] = b2 * v[name] + (1 - b2) * g * g
            update = (m[name] / (1 - b1 ** step)) / (np.sqrt(v[name] / (1 - b2 ** step)) + OPTIMIZER["eps"])
            parameters[name] = p * (1 - OPTIMIZER["lr"] * decay) - OPTIMIZER["lr"] * update
    return found


def write_oracle(path, values, meta):
    """float32 numbers, compressed; a `grad_total` or `grad_sequence` that equals its `grad` is a hard link to it."""
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        for name, value in values.items():
            group, _, rest = name.partition("/")
            array = value.astype(np.int64 if value.dtype.kind == "i" else np.float32)
            twin = f"grad/{rest}" if group in ("grad_total", "grad_sequence") else None
            if twin and np.array_equal(file[twin][()], array):
                file[name] = file[twin]
            elif array.nbytes > 1024:
                file.create_dataset(name, data=array, chunks=array.shape, compression="gzip", compression_opts=9,
                                    shuffle=True)
            else:
                file[name] = array
        file.attrs["meta"] = json.dumps(meta)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", choices=sorted(VARIANTS), action="append")
    parser.add_argument("--out", type=pathlib.Path, default=HERE)
    arguments = parser.parse_args()
    for variant in arguments.variant or sorted(VARIANTS):
        settings, folder = VARIANTS[variant], arguments.out / variant
        c = COMMON | settings["config"]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(c, indent=2, sort_keys=True) + "\n")
        stored = make_parameters(c, settings["seed"])
        safetensors.numpy.save_file(stored, folder / "model.safetensors", metadata={"format": "pt"})
        parameters = {name: value.astype(np.float64) for name, value in stored.items()}
        ids, labels = make_batch(c["vocab_size"], *settings["batch"])
        values = trace(c, parameters, ids, labels)
        meta = dict(model_type="deepseek", arithmetic="float64", model_seed=settings["seed"], batch_seed=BATCH_SEED,
                    numpy=np.__version__)
        write_oracle(folder / "oracle.h5", values, meta)
        steps = dict(optimizer=OPTIMIZER, losses=ten_steps(c, parameters, ids, labels, alpha=0.0),
                     losses_sequence=ten_steps(c, parameters, ids, labels, alpha=c["aux_loss_alpha"]))
        (folder / "ten_steps.json").write_text(json.dumps(steps, indent=1) + "\n")
        gaps = [float(value) for name, value in values.items() if name.startswith("topk_gap/")]
        idle = sum(not value.any() for name, value in values.items() if name.startswith("grad/"))
        print(json.dumps(dict(variant=variant, loss=float(values["loss"]), sequence=float(values["aux_loss_sequence"]),
                              min_topk_gap=min(gaps), zero_gradients=idle,
                              check_gradients=check_gradients(c, parameters, ids, labels))))


if __name__ == "__main__":
    main()
