"""Log-likelihoods of lm-evaluation-harness for Tests/EvaluationTests: what `occult evaluate --tasks` must agree with.

    pip install lm_eval==0.4.13 torch transformers datasets
    occult convert checkpoints/base.h5 base-folder
    python scripts/harness_oracle.py base-folder                      # writes oracle.json beside the rows
    python scripts/harness_oracle.py base-folder --time --occult .build/release/occult        # which is faster?

The harness runs its own task files on local copies of the rows, brought into the layout that they have on the Hugging Face
hub; transformers computes in float32. Rows, sources and licences: Tests/EvaluationTests/Oracles/harness/README.md.
"""

import argparse
import csv
import itertools
import json
import os
import pathlib
import re
import resource
import subprocess
import tempfile
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")

HERE = pathlib.Path(__file__).resolve().parent.parent / "Tests/EvaluationTests/Oracles/harness"
SUBJECTS = ["abstract_algebra", "marketing"]
SHOTS = {
    **{f"mmlu_{subject}": 5 for subject in SUBJECTS}, "gsm8k": 2,
    "arc_easy_shots": 3, "piqa_shots": 2, "winogrande_shots": 3}

# Tasks of which there are only rows made up for the test, in the hub's layout.
LAYOUTS = [
    ("hellaswag", "hellaswag/hellaswag.yaml", "validation"),
    ("arc_challenge", "arc/arc_challenge.yaml", "test"),
    ("openbookqa", "openbookqa/openbookqa.yaml", "test"),
    ("sciq", "sciq/sciq.yaml", "test"),
    ("commonsense_qa", "commonsense_qa/default.yaml", "validation"),
    ("rte", "glue/rte/default.yaml", "validation"),
    ("copa", "super_glue/copa/default.yaml", "validation"),
    ("wsc", "super_glue/wsc/default.yaml", "validation"),
    ("mathqa", "mathqa/mathqa.yaml", "test"),
    ("logiqa", "logiqa/logiqa.yaml", "test"),
    ("truthfulqa_mc1", "truthfulqa/truthfulqa_mc1.yaml", "validation"),
]


def lines(path):
    for line in open(path, encoding="utf-8"):
        if line.strip():
            yield json.loads(line)


def arc_easy(folder, file="arc_easy.jsonl"):
    for row in lines(folder / file):
        letters = list("ABCDE")[: len(row["choices"])]
        yield {
            "question": row["query"].removeprefix("Question: "),
            "choices": {"text": row["choices"], "label": letters},
            "answerKey": letters[row["gold"]],
        }


def boolq(folder):
    for row in lines(folder / "boolq.jsonl"):
        passage, question = re.fullmatch(r"Passage: (.*?)\nQuestion: (.*)\?", row["query"], re.S).groups()
        yield {"passage": passage, "question": question, "label": row["gold"]}


def piqa(folder, split="valid"):
    labels = (folder / f"piqa/{split}-labels.lst").read_text().split()
    for row, label in zip(lines(folder / f"piqa/{split}.jsonl"), labels):
        yield {**row, "label": int(label)}


def winogrande(folder, file="winogrande.jsonl"):
    for row in lines(folder / file):
        first, second = row["context_options"]
        same = os.path.commonprefix([first, second])
        same = same[: same.rfind(" ") + 1]
        yield {
            "sentence": same + "_ " + row["continuation"],
            "option1": first[len(same) :],
            "option2": second[len(same) :],
            "answer": str(row["gold"] + 1),
        }


def lambada_openai(folder):
    for row in lines(folder / "lambada_openai.jsonl"):
        yield {"text": row["context"] + " " + row["continuation"]}


def wikitext(folder):
    """As the hub's EleutherAI/wikitext_document_level cuts the file into pages."""
    page = []
    for line in (folder / "wikitext.txt").read_text(encoding="utf-8").split("\n"):
        heading = line.replace("= = =", "===").replace("= =", "==").strip()
        if heading.startswith("= ") and heading.endswith(" ="):
            if "\n".join(page).strip():
                yield {"page": "\n".join(page)}
            page = []
        page.append(line)
    yield {"page": "\n".join(page)}


def mmlu(folder, split, subject):
    with open(folder / f"mmlu/{split}/{subject}_{split}.csv", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            yield {
                "question": row["question"],
                "choices": [row[f"choice{i}"] for i in range(4)],
                "answer": int(row["answer"]),
            }


def gsm8k(folder, split):
    yield from lines(folder / f"gsm8k/{split}.jsonl")


def tasks(folder):
    """Name, the harness's own file, and rows by split."""
    yield "arc_easy", "arc/arc_easy.yaml", {"test": arc_easy(folder)}
    yield "boolq", "super_glue/boolq/default.yaml", {"validation": boolq(folder)}
    yield "piqa", "piqa/piqa.yaml", {"validation": piqa(folder)}
    yield "winogrande", "winogrande/default.yaml", {"validation": winogrande(folder)}
    yield "lambada_openai", "lambada/lambada_openai.yaml", {"test": lambada_openai(folder)}
    yield "wikitext", "wikitext/wikitext.yaml", {"test": wikitext(folder)}
    yield "gsm8k", "gsm8k/gsm8k.yaml", {"test": gsm8k(folder, "test"), "train": gsm8k(folder, "train")}
    # The first questions again, behind examples that the harness draws.
    few = lambda rows: itertools.islice(rows, 8)
    yield "arc_easy_shots", "arc/arc_easy.yaml", {
        "test": few(arc_easy(folder)), "train": arc_easy(folder, "arc_easy/train.jsonl")}
    yield "piqa_shots", "piqa/piqa.yaml", {"validation": few(piqa(folder)), "train": piqa(folder, "train")}
    yield "winogrande_shots", "winogrande/default.yaml", {
        "validation": few(winogrande(folder)), "train": winogrande(folder, "winogrande/train.jsonl")}
    for name, own, split in LAYOUTS:
        yield name, own, {split: lines(folder / f"layouts/{name}.jsonl")}
    for subject in SUBJECTS:
        yield (
            f"mmlu_{subject}",
            f"mmlu/default/mmlu_{subject}.yaml",
            {split: mmlu(folder, split, subject) for split in ("test", "dev")},
        )


def write_tasks(source, folder, only):
    """Task files that include the harness's own and name local data; returns their names."""
    import lm_eval.tasks

    package = pathlib.Path(lm_eval.tasks.__file__).parent
    names = []
    for name, own, splits in tasks(source):
        if only and name not in only:
            continue
        files = {}
        for split, rows in splits.items():
            files[split] = str(folder / f"{name}-{split}.jsonl")
            with open(files[split], "w", encoding="utf-8") as file:
                file.writelines(json.dumps(row) + "\n" for row in rows)
        missing = [key for key in ("training", "validation", "test") if {"training": "train"}.get(key, key) not in files]
        text = f"include: {package / own}\ntask: oracle_{name}\ntag: null\ndataset_path: json\ndataset_name: null\n"
        text += f"dataset_kwargs: {json.dumps({'data_files': files})}\n"
        text += "".join(f"{key}_split: null\n" for key in missing)
        if name in SHOTS:
            text += f"num_fewshot: {SHOTS[name]}\n"
        if name == "gsm8k":
            text += 'generation_kwargs: {until: ["Question:", "</s>", "<|im_end|>"], do_sample: false, max_gen_toks: 48}\n'
        (folder / f"{name}.yaml").write_text(text)
        names.append(f"oracle_{name}")
    subjects = [name for name in names if name.startswith("oracle_mmlu_")]
    if subjects:
        (folder / "mmlu.yaml").write_text(
            f"group: oracle_mmlu\ntask: {json.dumps(subjects)}\n"
            "aggregate_metric_list: [{metric: acc, weight_by_size: true}]\n"
        )
        names = [name for name in names if name not in subjects] + ["oracle_mmlu"]
    return names


def compact(sample):
    """What a sample is compared by."""
    found = {"prompt_hash": sample["prompt_hash"], "target_hash": sample["target_hash"]}
    first = sample["resps"][0][0]
    if isinstance(first, tuple):
        found["loglikelihoods"] = [round(float(response[0][0]), 5) for response in sample["resps"]]
        found["greedy"] = [bool(response[0][1]) for response in sample["resps"]]
    elif isinstance(first, float):
        found["loglikelihoods"] = [round(first, 5)]
    else:
        found["generated"] = first
        found["filtered"] = sample["filtered_resps"][0]
    for metric in sample["metrics"]:
        if isinstance(sample[metric], (int, float)) and metric != "perplexity":
            found[metric] = float(sample[metric])
    return found


def short(name):
    return name.removeprefix("oracle_")


def occult_seconds(options, name):
    """Seconds of `occult evaluate` on the same rows, start of the program and reading of the model included: on the clock, and
    of processors, which is what counts on a machine that does other things as well."""
    names = ",".join(f"mmlu_{subject}" for subject in SUBJECTS) if name == "mmlu" else name
    with tempfile.TemporaryDirectory() as output:
        command = [options.occult, "evaluate", options.model, "--tasks", names, "--task-data", str(options.rows)]
        command += ["--output", output] + (["--limit", str(options.limit)] if options.limit else [])
        command += ["--shots", "5"] if name == "mmlu" else []
        used = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
        began = (time.monotonic(), used())
        environment = {**os.environ, "OCCULT_THREADS": str(options.threads)}
        subprocess.run(command, check=True, capture_output=True, env=environment)
        return time.monotonic() - began[0], used() - began[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a Hugging Face folder")
    parser.add_argument("--rows", type=pathlib.Path, default=HERE, help="folder of rows")
    parser.add_argument("--tasks", nargs="*", help="only these; the others stay as they are in oracle.json")
    parser.add_argument("--limit", type=int, help="first rows of each task")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--time", action="store_true", help="print seconds a task, write nothing")
    parser.add_argument("--rounds", type=int, default=1, help="how often, with --time")
    parser.add_argument("--occult", help="the program, run in turn on the same rows, with --time")
    options = parser.parse_args()

    import lm_eval
    import torch
    import transformers
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    torch.set_num_threads(options.threads)
    model = HFLM(pretrained=options.model, dtype="float32", device="cpu", batch_size=options.batch_size)
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        names = write_tasks(options.rows, folder, options.tasks)
        manager = TaskManager(include_path=str(folder), include_defaults=False)

        def run(names):
            return lm_eval.simple_evaluate(
                model, tasks=names, task_manager=manager, limit=options.limit, log_samples=True,
                bootstrap_iters=0 if options.time else 100000)

        if options.time:
            for _ in range(options.rounds):
                for name in names:
                    began = (time.monotonic(), time.process_time())
                    result = run([name])
                    wall, processor = time.monotonic() - began[0], time.process_time() - began[1]
                    count = sum(len(samples) for samples in result["samples"].values())
                    line = f"{short(name)}: {count} documents, harness {wall:.2f} s (processors {processor:.2f} s)"
                    if options.occult:
                        own = occult_seconds(options, short(name))
                        line += f", occult {own[0]:.2f} s ({own[1]:.2f} s)"
                        line += f", ratio {wall / own[0]:.1f} ({processor / own[1]:.1f})"
                    print(line, flush=True)
            return
        result = run(names)
    oracle = {
        "versions": {
            "lm_eval": lm_eval.__version__, "torch": torch.__version__, "transformers": transformers.__version__},
        "results": {short(name): values for name, values in {**result["results"], **result.get("groups", {})}.items()},
        "samples": {short(name): [compact(sample) for sample in samples] for name, samples in result["samples"].items()},
    }
    for values in oracle["results"].values():
        for key in ("name", "alias", "sample_len", "sample_count"):
            values.pop(key, None)
    if options.tasks:  # the others stay as they are
        before = json.loads((HERE / "oracle.json").read_text(encoding="utf-8"))
        oracle = {key: {**before[key], **oracle[key]} for key in oracle}
    (HERE / "oracle.json").write_text(written(oracle), encoding="utf-8")


def written(oracle):
    """JSON with a task or a sample a line."""
    one = lambda value: json.dumps(value, ensure_ascii=False, default=float)
    results = [f"  {one(name)}: {one(values)}" for name, values in oracle["results"].items()]
    samples = [
        f"  {one(name)}: [\n" + ",\n".join("   " + one(sample) for sample in found) + "\n  ]"
        for name, found in oracle["samples"].items()
    ]
    return (
        "{\n" + f' "versions": {one(oracle["versions"])},\n'
        + ' "results": {\n' + ",\n".join(results) + "\n },\n"
        + ' "samples": {\n' + ",\n".join(samples) + "\n }\n}\n"
    )


if __name__ == "__main__":
    main()
