"""Records the routing of a small trained OLMoE on public-domain text, in the JSONL layout that `RecordedRouting` reads.

    python record_routing.py MODEL_FOLDER TEXT > recorded_routing.jsonl

Real choices of a real model: the first 144 tokens of each of two passages, layers 0 and 3. Before them stand 48 start-up
rows per layer as serving programs leave them: dummy input, so the same experts and equal weights every time.
transformers 5.23, PyTorch 2.13, float32, no randomness.
"""

import json
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

LAYERS, TOKENS, DUMMIES = (0, 3), 144, 48
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32)
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
text = open(sys.argv[2], encoding="utf-8").read()
experts, k = model.config.num_experts, model.config.num_experts_per_tok


def write(row):
    print(json.dumps(row, separators=(",", ":")))


write({"type": "meta", "model_type": "olmoe", "top_k": k, "num_experts": experts})
for layer in LAYERS:
    for _ in range(DUMMIES):
        write({"layer": layer, "topk_ids": list(range(k))[::-1], "topk_weights": [round(1 / k, 4)] * k})
for request, passage in enumerate((text[:2000], text[400000:402000])):
    ids = tokenizer(passage, return_tensors="pt").input_ids[:, :TOKENS]
    with torch.no_grad():
        logits = model(ids, output_router_logits=True).router_logits
    for layer in LAYERS:
        weights, chosen = logits[layer].float().softmax(-1).topk(k)
        for w, e in zip(weights.tolist(), chosen.tolist()):
            write({"req_id": f"r{request}", "layer": layer, "topk_ids": e, "topk_weights": [round(x, 4) for x in w]})
