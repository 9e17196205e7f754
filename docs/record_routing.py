"""Records which experts a transformers model chooses on text: python record_routing.py MODEL OUTPUT.jsonl TEXT..."""
import json, sys
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

WINDOW = 256  # tokens of text that the model sees at a time; each window is a document of the recording

def record(model, batches, output):
    """Runs `model` over (name, [1, tokens] ids without padding) and writes one line for every token and sparse layer."""
    config = model.config.get_text_config()
    k = config.num_experts_per_tok
    experts = next(n for n in map(lambda key: getattr(config, key, None), ("num_experts", "num_local_experts", "n_routed_experts")) if n)
    name = None

    def hook(layer):
        def write(module, inputs, result):
            if isinstance(result, tuple):  # transformers 5: logits, weights, experts
                weights, chosen = (part.reshape(-1, k).float() for part in result[1:3])
            else:  # transformers 4: a linear layer
                weights, chosen = result.reshape(-1, experts).float().softmax(-1).topk(k)
                if getattr(config, "norm_topk_prob", config.model_type == "mixtral"):
                    weights = weights / weights.sum(-1, keepdim=True)
            for w, e in zip(weights.tolist(), chosen.int().tolist()):
                output.write(json.dumps({"layer": layer, "topk_ids": e, "topk_weights": w, "req_id": name}) + "\n")
        return write

    output.write(json.dumps({"type": "meta", "model_type": config.model_type, "num_experts": experts, "top_k": k}) + "\n")
    routers = [(p.split("."), m) for p, m in model.named_modules() if p.endswith(".gate") and getattr(m, "weight", None) is not None]
    handles = [m.register_forward_hook(hook(int(p[p.index("layers") + 1]))) for p, m in routers]
    with torch.no_grad():
        for name, ids in batches:
            model(input_ids=ids.to(model.device), use_cache=False)
    for handle in handles: handle.remove()

if __name__ == "__main__":
    tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
    model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype="auto", device_map="auto" if torch.cuda.is_available() else None)
    texts = ((path, tokenizer(open(path, encoding="utf-8").read().strip(), return_tensors="pt").input_ids) for path in sys.argv[3:])
    record(model, ((f"{path}:{i}", part) for path, ids in texts for i, part in enumerate(ids.split(WINDOW, 1))), open(sys.argv[2], "w"))
