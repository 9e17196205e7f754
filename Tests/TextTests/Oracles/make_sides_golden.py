"""Writes sides-golden.json: small tokenizers with files beside them (tokenizer_config.json, special_tokens_map.json,
added_tokens.json, config.json), and what AutoTokenizer makes of difficult texts with them.

    python make_sides_golden.py        # transformers 5.24.0, tokenizers 0.23.3

The first cases show one thing each; those with a number are drawn by chance from all that the files may say. Cases that
transformers refuses are left out. A vocabulary is stored once, since all cases share a few.
"""

import contextlib
import io
import json
import os
import pathlib
import random
import sys
import tempfile

os.environ["TRANSFORMERS_VERBOSITY"] = "critical"
os.environ["HF_HUB_OFFLINE"] = "1"
from tokenizers.pre_tokenizers import ByteLevel  # noqa: E402
from transformers import AutoTokenizer  # noqa: E402

here = pathlib.Path(__file__).parent
TEXTS = ["hello the hello<extra> x <a>the<b>", "  <|endoftext|> the ab<s>x</s>",
         "e\u0301é <unk>the the hello<|padding|> end\n<|im_end|>", "Ünïcödé 漢字 🎉 <aa> <new1><new2><new3><img><zz>", "",
         "theab ab <a> x"]
CONTENTS = ["<extra>", "<a>", "<b>", "the", "hello", " x", "<|endoftext|>", "<|padding|>", "<s>", "</s>", "<unk>", "é",
            "e\u0301", "<aa>", "<|im_end|>", "ab"]
CLASSES = [None, "PreTrainedTokenizerFast", "TokenizersBackend", "GPTNeoXTokenizer", "GPTNeoXTokenizerFast",
           "Qwen2Tokenizer", "GPT2Tokenizer", "LlamaTokenizerFast", "MyOwnTokenizer"]


def byte_model(missing=(), special=True, gap=0, unknown=False):
    vocab = {}
    for token in ["<|endoftext|>", "<|padding|>"] if special else []:
        vocab[token] = len(vocab)
    for character in sorted(ByteLevel.alphabet()):
        if character not in missing:
            vocab[character] = len(vocab)
    merges = []
    for left, right in [("h", "e"), ("l", "l"), ("he", "ll"), ("hell", "o"), ("Ġ", "h"), ("Ġ", "t"), ("Ġt", "he"),
                        ("e", "x"), ("a", "b")]:
        if left in vocab and right in vocab:
            vocab[left + right] = len(vocab)
            merges.append([left, right])
    if gap:
        vocab["ab"] += gap
    if unknown:
        vocab["<unk>"] = max(vocab.values()) + 1
    return {"vocab": vocab, "merges": merges}


lost = random.Random(5).sample(sorted(set(ByteLevel.alphabet()) - set("<>exabt|padingofhel oĠ")), 21)
fallback = byte_model(missing=lost)
for byte in sorted({b for c in lost[:15] for b in c.encode()}):
    fallback["vocab"][f"<0x{byte:02X}>"] = len(fallback["vocab"])
letters = {"vocab": {t: i for i, t in enumerate(
    ["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256)), "▁", *"helotxab", "he", "ll", "hell", "hello", "▁t",
     "▁the"])}, "merges": [["h", "e"], ["l", "l"], ["he", "ll"], ["hell", "o"], ["▁", "t"], ["▁t", "he"]]}
MODELS = {"full": byte_model(), "bare": byte_model(special=False), "gap": byte_model(gap=3),
          "unknown": byte_model(missing=lost, unknown=True), "lacking": byte_model(missing=lost),
          "fallback": fallback, "letters": letters}
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
SPACE = {"normalizer": {"type": "Sequence", "normalizers": [
             {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
         "pre_tokenizer": None,
         "decoder": {"type": "Sequence", "decoders": [
             {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
             {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
         "flags": {"byte_fallback": True, "fuse_unk": True, "unk_token": "<unk>"}}


def template(token, id):
    single = [{"SpecialToken": {"id": token, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    return {"type": "TemplateProcessing", "single": single, "pair": [*single, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {token: {"id": token, "ids": [id], "tokens": [token]}}}


def token(content, id=None, **flags):
    rules = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True, **flags}
    return {**({} if id is None else {"id": id}), "content": content, **rules}


def case(name, model="full", added=(), flags=None, config=None, **files):
    top = {k: files.pop(k) for k in ("normalizer", "pre_tokenizer", "post_processor", "decoder", "truncation", "padding")
           if k in files}
    beside = {} if config is None else {"tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast", **config}}
    beside |= {k.replace("__", "."): v for k, v in files.items()}
    return {"name": name, "model": model, "flags": flags or {},
            "tokenizer": {"version": "1.0", "truncation": None, "padding": None, "added_tokens": list(added),
                          "normalizer": None, "pre_tokenizer": BYTES, "post_processor": None, "decoder": BYTES, **top},
            "files": beside}


def by_hand():
    size = len(MODELS["full"]["vocab"])
    yield case("gap", added=[token("<extra>", size + 4)])
    yield case("order", added=[token("<a>", size + 1), token("<b>", size)])
    yield case("taken", model="gap", added=[token("<a>", 500), token("<b>", 501), token("<aa>", 502), token("<extra>", 503)])
    yield case("wrong-id", added=[token("ab", 3), token("<a>", 7)])
    yield case("two-calls", added=[token("<a>", size + 9)], config={"added_tokens_decoder": {"2": token("<b>")}})
    yield case("decoder-new", config={"added_tokens_decoder": {str(size): token("<extra>")}})
    yield case("decoder-flags", added=[token("<extra>", size)],
               config={"added_tokens_decoder": {str(size): token("<extra>", lstrip=True, rstrip=True)}})
    yield case("decoder-normalized", normalizer={"type": "NFC"},
               config={"added_tokens_decoder": {str(size): token("é", normalized=True, special=False)}})
    yield case("single-word", config={"added_tokens_decoder": {str(size): token("the", single_word=True)}})
    yield case("named", config={"eos_token": "<s>", "image_token": "<img>", "pad_token": "<zz>"})
    yield case("named-object", config={"eos_token": {"__type": "AddedToken", **token("<a>", lstrip=True, special=False)}})
    yield case("extra", config={"extra_special_tokens": ["<new1>", "<new2>"]})
    yield case("additional", config={"additional_special_tokens": ["<new1>", "<new2>"]})
    yield case("extra-names", config={"extra_special_tokens": {"image_token": "<img>"}})
    yield case("split-special", added=[token("<a>", size)], config={"split_special_tokens": True})
    yield case("prefix-space", config={"add_prefix_space": True})
    yield case("prefix-space-gpt2", config={"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": True})
    for name in ("GPTNeoXTokenizer", "Qwen2TokenizerFast", "GPT2Tokenizer", "LlamaTokenizer", "PreTrainedTokenizerFast"):
        yield case(f"bos-{name}", config={"tokenizer_class": name, "bos_token": "<|endoftext|>", "add_bos_token": True,
                                          "add_eos_token": True})
        yield case(f"template-{name}", post_processor=template("<|endoftext|>", 0),
                   config={"tokenizer_class": name, "bos_token": "<|endoftext|>", "add_bos_token": False})
        yield case(f"letters-{name}", model="letters", config={"tokenizer_class": name}, **SPACE)
    yield case("map", special_tokens_map__json={"eos_token": token("<a>", lstrip=True), "my_token": "<b>",
                                                "additional_special_tokens": ["<new1>"]})
    yield case("map-unread", config={"added_tokens_decoder": {}}, special_tokens_map__json={"eos_token": "<a>"})
    yield case("added-tokens", added_tokens__json={"<a>": size + 1, "<b>": size})
    yield case("added-special", config={"eos_token": "<a>"}, added_tokens__json={"<a>": size})
    yield case("stored", truncation={"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0},
               padding={"strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 1,
                        "pad_type_id": 0, "pad_token": "<zz>"}, flags={"dropout": 0.0}, config={})
    yield case("lacking", model="lacking")
    yield case("lacking-unknown", model="unknown", flags={"unk_token": "<unk>"})
    yield case("lacking-fused", model="unknown", flags={"unk_token": "<unk>", "fuse_unk": True})
    yield case("lacking-fallback", model="fallback", flags={"byte_fallback": True})
    yield case("lacking-whole", model="lacking", flags={"ignore_merges": True})
    for kind in ("olmoe", "mixtral", "qwen2_moe", "qwen3_moe", "deepseek_v2"):
        yield case(f"model-{kind}", config__json={"model_type": kind}, post_processor=template("<|endoftext|>", 0))


def by_chance(seed):
    rng = random.Random(seed)

    def some(content=None):
        flags = {k: rng.random() < 0.2 for k in ("lstrip", "rstrip", "single_word")}
        return token(content or rng.choice(CONTENTS), special=rng.random() < 0.5, normalized=rng.random() < 0.4, **flags)

    name = rng.choice(list(MODELS))
    vocab = MODELS[name]["vocab"]
    made = case(str(seed), model=name)
    top, flags = made["tokenizer"], made["flags"]
    if name == "letters":
        flags |= SPACE["flags"]
        top |= {k: v for k, v in SPACE.items() if k != "flags"}
    else:
        flags |= {"dropout": rng.choice([None, 0.0]), "fuse_unk": rng.random() < 0.5, "byte_fallback": rng.random() < 0.3,
                  "ignore_merges": rng.random() < 0.2}
        if name == "unknown" and rng.random() < 0.7:
            flags["unk_token"] = "<unk>"
        top["normalizer"] = rng.choice([None, {"type": "NFC"}])
        top["pre_tokenizer"] = {**BYTES, "add_prefix_space": rng.random() < 0.3}
    first = next(iter(vocab))
    top["post_processor"] = rng.choice([None, BYTES, template(first, vocab[first])])
    if rng.random() < 0.2:
        top["padding"] = {"strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": None, "pad_id": 1,
                          "pad_type_id": 0, "pad_token": rng.choice(["<|padding|>", "<zz>"])}
    size = len(vocab)
    for content in rng.sample(CONTENTS, rng.randint(0, 4)):
        top["added_tokens"].append({"id": vocab.get(content, size + rng.randint(0, 6)), **some(content)})
        size += 1
    if rng.random() < 0.5:
        top["added_tokens"].sort(key=lambda t: t["id"])
    config = {}
    if kind := rng.choice(CLASSES):
        config["tokenizer_class"] = kind
    for key in ("bos_token", "eos_token", "unk_token", "pad_token", "cls_token", "image_token"):
        if rng.random() < 0.3:
            config[key] = rng.choice([rng.choice(CONTENTS), rng.choice(CONTENTS), None, {"__type": "AddedToken", **some()}])
    if rng.random() < 0.3:
        key = rng.choice(["additional_special_tokens", "extra_special_tokens"])
        config[key] = rng.sample([*CONTENTS, "<new1>", "<new2>"], rng.randint(0, 3))
    if rng.random() < 0.4:
        config["added_tokens_decoder"] = {str(rng.choice([0, 1, 7, size, size + 5])): some() for _ in range(rng.randint(0, 3))}
    for key in ("add_bos_token", "add_eos_token", "add_prefix_space", "split_special_tokens", "legacy"):
        if rng.random() < 0.25:
            config[key] = rng.random() < 0.6
    if rng.random() < 0.9:
        made["files"]["tokenizer_config.json"] = config
    if rng.random() < 0.3:
        entries = {}
        for key in ("bos_token", "eos_token", "my_token"):
            if rng.random() < 0.4:
                entries[key] = rng.choice([rng.choice(CONTENTS), {k: v for k, v in some().items() if k != "special"}])
        if rng.random() < 0.4:
            entries[rng.choice(["additional_special_tokens", "extra_special_tokens"])] = rng.sample([*CONTENTS, "<new3>"], 2)
        made["files"]["special_tokens_map.json"] = entries
    if rng.random() < 0.25:
        made["files"]["added_tokens.json"] = {c: vocab.get(c, size + i) for i, c in enumerate(rng.sample(CONTENTS, 2))}
    if kind := rng.choice([None, "olmoe", "mixtral", "qwen2_moe", "deepseek_v2"]):
        made["files"]["config.json"] = {"model_type": kind}
    return made


def is_ambiguous(made):
    """Whether two tokens are one text after normalising: then chance decides between them in the library."""
    text = json.dumps([made["tokenizer"]["added_tokens"], made["files"]], ensure_ascii=False)
    return all(f'"{content}"' in text for content in ("é", "e\u0301"))


def answer(made):
    """What transformers makes of a case; None where it refuses."""
    model = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
             "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
             **made["flags"], **MODELS[made["model"]]}
    with tempfile.TemporaryDirectory() as folder:
        for name, content in {"tokenizer.json": {**made["tokenizer"], "model": model}, **made["files"]}.items():
            pathlib.Path(folder, name).write_text(json.dumps(content))
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                tokenizer = AutoTokenizer.from_pretrained(folder)
                ids = [tokenizer(text)["input_ids"] for text in TEXTS]
                return {"ids": ids, "decoded": [tokenizer.decode(i) for i in ids], "beginning": tokenizer.bos_token_id,
                        "skipped": [tokenizer.decode(i, skip_special_tokens=True) for i in ids]}
        except Exception:  # noqa: BLE001: refused, whatever the words
            return None


if __name__ == "__main__":
    first, count = (int(a) for a in sys.argv[1:3]) if len(sys.argv) > 2 else (0, 90)
    cases = [*by_hand(), *(by_chance(seed) for seed in range(first, first + count))]
    answered = [{**made, **found} for made in cases if not is_ambiguous(made) and (found := answer(made))]
    golden = {"texts": TEXTS, "models": MODELS, "cases": answered}
    lines = ",\n".join(json.dumps(made, ensure_ascii=False) for made in answered)
    head = json.dumps({k: v for k, v in golden.items() if k != "cases"}, ensure_ascii=False)
    path = pathlib.Path(sys.argv[3]) if len(sys.argv) > 3 else here / "sides-golden.json"
    path.write_text(f'{head[:-1]}, "cases": [\n{lines}\n]}}\n')
    print(len(cases), "cases,", len(answered), "answered")
