#!/usr/bin/env python3
"""The peer of `occult bench`: transformers + PyTorch at their fastest on this processor, on the same random OLMoE.

    python bench_peer.py train   --batch 4 --sequence 256 --steps 10 --json
    python bench_peer.py prefill --batch 4 --sequence 256 --steps 10 --json
    python bench_peer.py decode  --batch 1 --prompt 64 --new 64 --steps 3 --json

train:   forward with cross-entropy and auxiliary loss, backward, fused AdamW over all parameters.
prefill: forward without gradients, logits of every position.
decode:  greedy continuation with a key/value cache; counts new tokens, the prompt's forward is not timed.
float32 arithmetic, SDPA attention, denormals flushed. Warm-up steps (with compilation) are not counted.
"""
import argparse
import json
import resource
import statistics
import sys
import time

try:
    import torch
    import transformers
except ImportError as error:
    sys.exit(f"bench_peer.py: expected PyTorch and transformers in {sys.executable}, found none ({error}); "
             "try: pip install -r scripts/requirements.txt")

# The fastest measured for each mode on an AVX-512 processor: (experts implementation, compiled). At the sizes above,
# compiled / not compiled is 1.15 for train, 1.5 for prefill, 0.75 for decode; eager experts / grouped_mm 0.7.
FASTEST = {"train": ("grouped_mm", True), "prefill": ("grouped_mm", True), "decode": ("grouped_mm", False)}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", choices=("train", "prefill", "decode"))
    sizes = dict(layers=6, hidden=256, heads=8, experts=16, intermediate=128, top_k=4, vocabulary=4096, batch=4,
                 sequence=256, steps=10, warmup=3, prompt=64, new=64, threads=0, seed=1)
    notes = dict(steps="timed repetitions", warmup="repetitions before them", prompt="decode: tokens of the prompt",
                 new="decode: tokens to make", threads="0: one per core that this process may use")
    for name, default in sizes.items():
        parser.add_argument("--" + name.replace("_", "-"), type=int, default=default,
                            help=f"{notes.get(name, '')} (default {default})".strip())
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, help="torch.compile (default: the faster)")
    parser.add_argument("--experts-implementation", choices=("grouped_mm", "batched_mm", "eager"),
                        help="transformers' kernel for the experts (default: the fastest)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a line")
    arguments = parser.parse_args()
    for name in sizes:
        if getattr(arguments, name) < (0 if name in ("warmup", "threads", "seed") else 1):
            parser.error(f"--{name.replace('_', '-')}: expected at least 1, found {getattr(arguments, name)}")
    if arguments.hidden % arguments.heads or arguments.top_k > arguments.experts:
        parser.error("--hidden must be a multiple of --heads, and --top-k at most --experts")
    return arguments


def make_model(a):
    torch.manual_seed(a.seed)
    config = transformers.OlmoeConfig(
        vocab_size=a.vocabulary, hidden_size=a.hidden, num_hidden_layers=a.layers, num_attention_heads=a.heads,
        num_key_value_heads=a.heads, num_experts=a.experts, num_experts_per_tok=a.top_k,
        intermediate_size=a.intermediate, max_position_embeddings=max(a.sequence, a.prompt + a.new),
        router_aux_loss_coef=0.01, tie_word_embeddings=False, bos_token_id=None, eos_token_id=None, pad_token_id=None)
    config._attn_implementation, config._experts_implementation = "sdpa", a.experts_implementation
    return transformers.OlmoeForCausalLM(config).float()


def train_step(a, model):
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    ids = torch.randint(a.vocabulary, (a.batch, a.sequence))
    # transformers installs its router hooks in the first call; inside a compiled one they would break the graph.
    with torch.no_grad():
        model(input_ids=ids, use_cache=False, output_router_logits=True)
    forward = torch.compile(model) if a.compile else model

    def step():
        loss = forward(input_ids=ids, labels=ids, use_cache=False, output_router_logits=True).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return a.batch * a.sequence, None
    return step


def prefill_step(a, model):
    forward = torch.compile(model.eval()) if a.compile else model.eval()
    ids = torch.randint(a.vocabulary, (a.batch, a.sequence))

    @torch.inference_mode()
    def step():
        forward(input_ids=ids, use_cache=False).logits
        return a.batch * a.sequence, None
    return step


def decode_step(a, model):
    forward = torch.compile(model.eval(), dynamic=True) if a.compile else model.eval()
    ids = torch.randint(a.vocabulary, (a.batch, a.prompt))

    @torch.inference_mode()
    def step():
        cache = transformers.DynamicCache(config=model.config)
        logits = model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1).logits
        started = time.perf_counter()
        for _ in range(a.new):
            token = logits[:, -1].argmax(-1, keepdim=True)
            logits = forward(input_ids=token, past_key_values=cache, use_cache=True).logits
        return a.batch * a.new, started
    return step


def reset_peak():
    """Lets the kernel's peak of resident memory start again (Linux); false where it cannot."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
        return True
    except OSError:
        return False


def peak_now():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


def main():
    a = parse_arguments()
    experts, compiled = FASTEST[a.mode]
    a.experts_implementation = a.experts_implementation or experts
    a.compile = compiled if a.compile is None else a.compile
    if a.threads:
        torch.set_num_threads(a.threads)
    torch.set_flush_denormal(True)
    model = make_model(a)
    step = {"train": train_step, "prefill": prefill_step, "decode": decode_step}[a.mode](a, model)
    for _ in range(a.warmup):
        step()
    # ru_maxrss keeps the whole process's peak, compilation included; the kernel's own mark starts again here.
    whole = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    steady = reset_peak()
    rates = []
    for _ in range(a.steps):
        begun = time.perf_counter()
        tokens, started = step()
        rates.append(tokens / (time.perf_counter() - (started or begun)))
    after = peak_now() if steady else None
    result = {
        "mode": a.mode,
        "tokens_per_second": {"min": min(rates), "median": statistics.median(rates), "max": max(rates)},
        "peak_rss_bytes": max(whole, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, after or 0),
        "steady_peak_rss_bytes": after,
        "threads": torch.get_num_threads(), "parameters": sum(p.numel() for p in model.parameters()),
        "settings": {"compiled": a.compile, "experts": a.experts_implementation, "attention": "sdpa",
                     "optimizer": "adamw, fused" if a.mode == "train" else None, "logits": "every position",
                     "dtype": "float32", "flush_denormal": True},
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__,
                     "python": sys.version.split()[0]},
    }
    if a.json:
        print(json.dumps(result))
    else:
        rate = result["tokens_per_second"]
        print(f"{a.mode}: {rate['median']:.0f} tokens/s ({rate['min']:.0f} to {rate['max']:.0f}), "
              f"{result['peak_rss_bytes'] / 2**30:.2f} GiB, {result['threads']} threads, {result['settings']}")


if __name__ == "__main__":
    main()
