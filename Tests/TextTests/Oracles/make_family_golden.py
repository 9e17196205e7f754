"""Writes families/*.tokenizer.json, families/tiny.model and family-golden.json: small tokenizers with the pipelines of
the model families, and what Hugging Face tokenizers (and sentencepiece) makes of difficult texts with them.

    python make_family_golden.py        # tokenizers 0.23.3, sentencepiece 0.2.3

The pipelines are those of the families' published tokenizer.json; vocabularies are trained here on the base model's
text and on the texts of make_tokenizer_golden.py, with few tokens, so that the files are small.
`families` with larger sizes and a longer text gives the same pipelines for checks by hand.
"""

import io
import json
import pathlib
import random

import sentencepiece
import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

here = pathlib.Path(__file__).parent
corpus = (here / "../../../recipes/data/base-profile.txt").read_text()
texts = json.loads((here / "tokenizer-golden.json").read_text())["texts"]

QWEN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?"
         r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")
# Letters with case, as DeepSeek lists them.
CASED = ("A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝ\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec"
         "\u1ff2-\u1ff4\u1ff6-\u1ffcℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212a-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃")


def split(pattern, behaviour="isolated", invert=False):
    return pre_tokenizers.Split(Regex(pattern), behaviour, invert)


byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
digits = pre_tokenizers.Digits(individual_digits=True)


def template(*prefix, suffix=()):
    single = [*(f"{t}:0" for t, _ in prefix), "$A:0", *(f"{t}:0" for t, _ in suffix)]
    return processors.TemplateProcessing(single=" ".join(single), pair=None, special_tokens=[*prefix, *suffix])


def byte_bpe(size, special, pre, normalizer=None, post=None, ignore_merges=False, text=None):
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    tokenizer.pre_tokenizer = pre
    if normalizer:
        tokenizer.normalizer = normalizer
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=special, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator([text or corpus, *texts], trainer)
    tokenizer.decoder = decoders.ByteLevel()
    if post:
        tokenizer.post_processor = post
    return tokenizer


def sentencepiece_model(size, text=None):
    model = io.BytesIO()
    lines = (text or corpus).splitlines() + [line for t in texts[:75] for line in t.splitlines()]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([line for line in lines if line.strip() and len(line) < 4000]), model_writer=model,
        model_type="bpe", vocab_size=size, byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
        split_digits=True, allow_whitespace_only_pieces=True, character_coverage=0.9995, num_threads=1, minloglevel=2)
    return model.getvalue()


def llama(model, normalizer, pre, decoder):
    """The tokenizer.json that transformers makes of a SentencePiece model: every way to join two pieces to one."""
    proto = sentencepiece.SentencePieceProcessor(model_proto=model)
    pieces = {proto.id_to_piece(i): i for i in range(proto.get_piece_size())}
    merges = []
    for piece, rank in pieces.items():
        local = [(piece[:i], piece[i:]) for i in range(1, len(piece)) if piece[:i] in pieces and piece[i:] in pieces]
        merges += sorted(local, key=lambda pair: (pieces[pair[0]], pieces[pair[1]]))
    merges.sort(key=lambda pair: pieces[pair[0] + pair[1]])
    tokenizer = Tokenizer(models.BPE(vocab=pieces, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre:
        tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoder
    tokenizer.add_special_tokens([AddedToken(t, normalized=False) for t in ("<unk>", "<s>", "</s>")])
    tokenizer.post_processor = template(("<s>", 1))
    return tokenizer


def families(byte_size, piece_size, text=None):
    """Tokenizers by name, and the SentencePiece model that three of them were made of."""
    legacy = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    stripping = decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)])
    model = sentencepiece_model(piece_size, text)
    result = {
        "qwen": byte_bpe(byte_size, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
                         pre_tokenizers.Sequence([split(QWEN), byte_level]), normalizers.NFC(), processors.ByteLevel(trim_offsets=False), text=text),
        "llama3": byte_bpe(byte_size, ["<|begin_of_text|>", "<|end_of_text|>"], pre_tokenizers.Sequence([split(LLAMA3), byte_level]),
                           post=processors.Sequence([processors.ByteLevel(trim_offsets=True), template(("<|begin_of_text|>", 0))]),
                           ignore_merges=True, text=text),
        "o200k": byte_bpe(byte_size, ["<|end|>"], pre_tokenizers.Sequence([split(O200K, "removed", True), byte_level]), text=text),
        "deepseek": byte_bpe(byte_size, ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"], pre_tokenizers.Sequence([
            split("[\r\n]"), split(rf"\s?[{CASED}]+"), split(r"\s?[!-/:-~！-／：-～‘-‟　-。]+"), split(r"\s+$"),
            split("[一-龥ࠀ-一가-퟿]+"), digits, byte_level]), normalizers.Sequence([]), processors.ByteLevel(), text=text),
        "deepseek_coder": byte_bpe(byte_size, ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"], pre_tokenizers.Sequence([
            split("[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"), split("[一-龥ࠀ-一가-퟿]+"), digits, byte_level]),
            normalizers.Sequence([]), text=text),
        "deepseek_v3": byte_bpe(byte_size, ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"], pre_tokenizers.Sequence([
            split(r"\p{N}{1,3}"), split("[一-龥぀-ゟ゠-ヿ]+"),
            split(r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"""
                  r"""|\s*[\r\n]+|\s+(?!\S)|\s+"""), byte_level]), text=text),
        "llama2": llama(model, legacy, None, stripping),
        "mistral": llama(model, None, pre_tokenizers.Metaspace("▁", prepend_scheme="first", split=False), stripping),
        "metaspace": llama(model, None, pre_tokenizers.Metaspace("▁", prepend_scheme="always", split=True),
                           decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace("▁", prepend_scheme="always")])),
    }
    # Steps and rules that the families' files have between them, or may have, put into one.
    odd = byte_bpe(byte_size, ["<a>", "<b>"], pre_tokenizers.Sequence([
        pre_tokenizers.Split("e t", "merged_with_previous"), split(r"\d+(?=x)|(?:a|b(?:c|d)?)z?", "merged_with_next"),
        split(r"[.!?]", "contiguous"), pre_tokenizers.Digits(), pre_tokenizers.ByteLevel(add_prefix_space=True)]), text=text,
        post=template(("<a>", 0), ("<b>", 1), suffix=[("<b>", 1)]))
    odd.add_tokens([AddedToken("the", single_word=True), AddedToken("<c>", lstrip=True), AddedToken("<d>", rstrip=True, special=True),
                    AddedToken("  ", normalized=True), AddedToken("x<e>", lstrip=True, rstrip=True, single_word=True, normalized=False)])
    result["odd"] = odd
    return result, model


def golden(tokenizer, texts):
    bare = [tokenizer.encode(t, add_special_tokens=False).ids for t in texts]
    decoded = [tokenizer.decode(i, skip_special_tokens=False) for i in bare]
    loose = [[random.randrange(tokenizer.get_vocab_size()) for _ in range(12)] for _ in range(60)] + [i[1:-1] for i in bare[-40:]]
    return {
        "ids": bare,
        "surroundings": tokenizer.encode("").ids,
        "decoded": [None if d == t else d for d, t in zip(decoded, texts)],
        "loose_ids": loose,
        "loose_decoded": [tokenizer.decode(i, skip_special_tokens=False) for i in loose],
        "loose_skipped": [tokenizer.decode(i, skip_special_tokens=True) for i in loose],
    }


EXTRA = ["the thethe the, _the the_ éthe the\u0301 THE the", " <c> a  <c>\n<c><d> <d>  b<d>\u3000<c> x<e> ax<e> x<e>b  x<e>  <d>", "a<b>c <a>\t<s>x </s> <unk>y <|im_start|>user\n",
         "123x 45 bcz bdz bz az c2 3.!?..a?", "the the<c>  the<d>  the", "It'S 'ſ DON'T we'LL K'k ΟΔΟΣ'S ǅ'll", "▁ ▁▁a ▁b", "<0x0A><0xE4>", "   a", "a   ", "\u2028x\u2029\u0085",
         "e te the  et e t", "1234567890 ١٢٣٤ ½¾ \U00011de0\U00011de1 x²", "!important (foo) -bar [x] {y} #tag @me $a",
         "\U000f0063\u0301 \U00020041\u0301 \U000110a5\u0301\U000110ba \U00011131\U00011127 \U0001d15e \U0002f801\u0301 \U00011025\u102e \U0010ac00\u11a8",
         "".join("\u0301" + chr(c) for c in range(0x300, 0x370)), "a" + "\u0316\u0301\u0323" * 30 + "o" + "\u0308" * 300 + "\u0304"]

if __name__ == "__main__":
    random.seed(20251125)
    chosen = texts[:130] + texts[130::6] + EXTRA
    folder = here / "families"
    folder.mkdir(exist_ok=True)
    tokenizers_by_name, model = families(900, 900)
    (folder / "tiny.model").write_bytes(model)
    result = {"tokenizers": tokenizers.__version__, "sentencepiece": sentencepiece.__version__, "texts": chosen, "models": {}}
    for name, tokenizer in tokenizers_by_name.items():
        file = json.loads(tokenizer.to_str())
        (folder / f"{name}.tokenizer.json").write_text(json.dumps(file, ensure_ascii=False, separators=(",", ":")))
        result["models"][name] = golden(tokenizer, chosen)
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    result["pieces"] = processor.encode(chosen)
    (here / "family-golden.json").write_text(json.dumps(result, ensure_ascii=False, separators=(",", ":")) + "\n")
