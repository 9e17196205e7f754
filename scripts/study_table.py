"""The tables of docs/study-rules.md, from the comparison.json of `occult study recipes/study-rules.yaml`.

    python scripts/study_table.py runs/study-rules/comparison.json
"""

import json
import sys


def signed(value, digits=3):
    return "–" if value is None else f"{value:+.{digits}f}".replace("-", "−")


def interval(figure):
    return "" if figure is None else f"{signed(figure['low'])} to {signed(figure['high'])}"


def main():
    comparison = json.load(open(sys.argv[1], encoding="utf-8"))
    cells = {(cell["arm"], cell["evaluated_rule"]): cell for cell in comparison["results"]}
    base, standard = cells["base", None], cells["standard", None]
    own = [cell for cell in comparison["results"] if cell["trained_rule"] and cell["trained_rule"] == cell["evaluated_rule"]]
    print(f"base {base['loss']:.4f}, standard {standard['loss']:.4f} {standard['seed_losses']}")
    print(f"retention: base {base['retention_loss']:.4f}, standard {standard['retention_loss']:.4f}")
    print(f"bytes: standard {standard['bytes']:.0f}, devices per token {standard['devices_per_token']:.3f}")
    free = [(arm, cell) for (arm, rule), cell in cells.items() if rule is None and arm not in ("base", "standard")]
    for limit in (2, 1, None):
        rows = [cell for cell in own if cell["evaluated_limit"] == limit]
        if not rows:
            continue
        print(f"\n### limit {limit}\n")
        print("| rule | base | standard | trained under it | 95 % interval | training gained | recovery | retention "
              "| rule off: C_T | bytes | imbalance | mass |")
        print("|---|---|---|---|---|---|---|---|---|---|---|---|")
        for cell in sorted(rows, key=lambda cell: cell["loss"]):
            name = cell["arm"]
            before, after = cells.get(("base", name)), cells.get(("standard", name))
            recovery = cell.get("recovery")
            gained = cell.get("training_effect")
            off = cells.get((name, None))
            print("| " + " | ".join([
                f"`{name}`",
                signed(before["loss"] - base["loss"]) if before else "–",
                signed(after["difference"]["mean"]) if after else "–",
                signed(cell["difference"]["mean"]), interval(cell["difference"]),
                f"{signed(gained['mean'])} ({interval(gained)})" if gained else "–",
                f"{recovery['mean'] * 100:.0f} % ({recovery['low'] * 100:.0f} to {recovery['high'] * 100:.0f})"
                if recovery else "–",
                signed(cell["retention_difference"]["mean"]), f"{off['devices_per_token']:.2f}" if off else "–",
                f"{cell['bytes']:.0f}", f"{cell['imbalance_rows']:.2f}", f"{cell['retained_mass']:.3f}",
            ]) + " |")
    print("\n### without a rule\n")
    for arm, cell in sorted(free, key=lambda pair: pair[1]["difference"]["mean"]):
        print(f"{arm}: {signed(cell['difference']['mean'])} {interval(cell['difference'])}, C_T {cell['devices_per_token']:.3f}, "
              f"bytes {cell['bytes']:.0f}, retention {signed(cell['retention_difference']['mean'])}")


if __name__ == "__main__":
    main()
