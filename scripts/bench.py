#!/usr/bin/env python3
"""Occult against its peer: `occult bench` and bench_peer.py in turn, each run a process of its own.

    python3 scripts/bench.py --occult .build/release/occult --peer-python venv/bin/python
    python3 scripts/bench.py --occult … --peer-python … --mode train --shape layers=8,hidden=512,experts=32,top_k=8 --rounds 5

Runs A B A B …, so that whatever else the machine does falls on both. The ratio of a pair is ours / peer in tokens/s;
the table shows its median over the rounds, the lowest and the highest. Memory is the largest peak of a whole process.
"""
import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys

PEER = pathlib.Path(__file__).resolve().parent / "bench_peer.py"
MODES = ("train", "prefill", "decode")
SHAPE = dict(layers=6, hidden=256, heads=8, experts=16, intermediate=128, top_k=4, vocabulary=4096, batch=4, sequence=256)
DECODE = dict(batch=1, prompt=64, new=64)  # one sequence unless a batch is asked for: what generating text is


def fail(message):
    sys.exit(f"bench.py: {message}")


def parse_shape(text):
    """`layers=8,hidden=512` → the sizes that differ from the standard ones."""
    shape = {}
    for pair in filter(None, text.split(",")):
        name, _, value = pair.partition("=")
        name = name.strip().replace("-", "_")
        if name not in {**SHAPE, **DECODE}:
            raise argparse.ArgumentTypeError(f"expected one of {', '.join({**SHAPE, **DECODE})}, found '{name}'")
        if not value.isdigit() or int(value) < 1:
            raise argparse.ArgumentTypeError(f"{name}: expected a positive integer, found '{value}'")
        shape[name] = int(value)
    return shape


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--occult", required=True, help="the release executable")
    parser.add_argument("--peer-python", required=True, help="a Python that has torch and transformers")
    parser.add_argument("--mode", choices=MODES, action="append", help="may be given several times (default: all)")
    parser.add_argument("--shape", type=parse_shape, action="append", metavar="NAME=N,…",
                        help="sizes other than the standard ones; may be given several times")
    parser.add_argument("--rounds", type=int, default=3, help="pairs of runs (default 3)")
    parser.add_argument("--steps", type=int, default=10, help="timed repetitions in one run (default 10)")
    parser.add_argument("--peer-options", default="", help='more for the peer, as "--no-compile --threads 2"')
    parser.add_argument("--bar", type=float, help="exit 1 if a median ratio is lower, or our memory higher than the peer's")
    parser.add_argument("--json", action="store_true", help="every figure as one JSON object")
    arguments = parser.parse_args()
    if arguments.rounds < 1 or arguments.steps < 1:
        parser.error("--rounds and --steps: expected at least 1")
    return arguments


def flags(mode, shape, steps):
    """The sizes as options, the same for both sides."""
    sizes = {**SHAPE, **DECODE, **shape} if mode == "decode" else {**SHAPE, **shape}
    for name in ("sequence",) if mode == "decode" else ("prompt", "new"):
        sizes.pop(name, None)
    options = [mode]
    for name, value in {**sizes, "steps": steps}.items():
        options += ["--" + name.replace("_", "-"), str(value)]
    return options + ["--json"]


def measure(command):
    """The JSON object a run prints, last line of its output."""
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        fail(f"{command[0]}: expected an executable, found none ({error.strerror}); try: make build")
    if run.returncode:
        fail(f"{' '.join(command)}: expected exit status 0, found {run.returncode}\n{run.stderr.strip()[-2000:]}")
    try:
        result = json.loads(run.stdout)
        return {"tokens_per_second": float(result["tokens_per_second"]["median"]),
                "low": float(result["tokens_per_second"]["min"]), "high": float(result["tokens_per_second"]["max"]),
                "peak_rss_bytes": int(result["peak_rss_bytes"]), "report": result}
    except (ValueError, KeyError, TypeError) as error:
        fail(f"{' '.join(command)}: expected JSON with tokens_per_second and peak_rss_bytes, found {error!r}\n"
             f"{run.stdout[-500:]}")


def summarise(mode, shape, pairs):
    ratios = [ours["tokens_per_second"] / peer["tokens_per_second"] for ours, peer in pairs]
    row = {"mode": mode, "shape": shape, "ratio": statistics.median(ratios), "ratios": ratios}
    for name, runs in zip(("ours", "peer"), zip(*pairs)):
        row[name] = {"tokens_per_second": statistics.median(run["tokens_per_second"] for run in runs),
                     "low": min(run["low"] for run in runs), "high": max(run["high"] for run in runs),
                     "peak_rss_bytes": max(run["peak_rss_bytes"] for run in runs), "runs": [run["report"] for run in runs]}
    return row


def print_table(rows):
    def side(figures):
        return f"{figures['tokens_per_second']:,.0f} ({figures['low']:,.0f} to {figures['high']:,.0f})"

    head = ("mode", "ours, tokens/s", "peer, tokens/s", "ours / peer", "ours, GiB", "peer, GiB")
    lines = [(row["mode"], side(row["ours"]), side(row["peer"]),
              f"{row['ratio']:.2f} ({min(row['ratios']):.2f} to {max(row['ratios']):.2f})",
              f"{row['ours']['peak_rss_bytes'] / 2**30:.2f}", f"{row['peer']['peak_rss_bytes'] / 2**30:.2f}")
             for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *lines)]
    shape = None
    for row, line in zip(rows, lines):
        if row["shape"] != shape:
            shape = row["shape"]
            print("\n" + ", ".join(f"{name} {value}" for name, value in {**SHAPE, **shape}.items()))
            print("  ".join(cell.ljust(width) for cell, width in zip(head, widths)).rstrip())
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())


def main():
    a = parse_arguments()
    import_peer = [a.peer_python, "-c", "import torch, transformers"]
    if not shutil.which(a.peer_python) or subprocess.run(import_peer, capture_output=True, check=False).returncode:
        fail(f"{a.peer_python}: expected a Python with torch and transformers, found none; "
             "try: python3 -m venv venv && venv/bin/pip install -r scripts/requirements.txt")
    rows = []
    for shape in a.shape or [{}]:
        for mode in a.mode or MODES:
            options, pairs = flags(mode, shape, a.steps), []
            for n in range(a.rounds):
                ours = measure([a.occult, "bench", *options])
                peer = measure([a.peer_python, str(PEER), *options, *a.peer_options.split()])
                pairs.append((ours, peer))
                print(f"{mode}, round {n + 1} of {a.rounds}: ours {ours['tokens_per_second']:,.0f}, "
                      f"peer {peer['tokens_per_second']:,.0f} tokens/s", file=sys.stderr)
            rows.append(summarise(mode, shape, pairs))
    if a.json:
        print(json.dumps({"format": "occult-bench", "version": 1, "rounds": a.rounds, "rows": rows}))
    else:
        print_table(rows)
    missed = [row["mode"] for row in rows if a.bar is not None and not (
        row["ratio"] >= a.bar and row["ours"]["peak_rss_bytes"] <= row["peer"]["peak_rss_bytes"])]
    if missed:
        fail(f"expected a ratio of at least {a.bar} in at most the peer's memory, not reached by {', '.join(missed)}")


if __name__ == "__main__":
    main()
