"""Makes small tokenizers that between them use every supported part of the format, and records what
Hugging Face `tokenizers` makes of texts that are hard on each part. One folder-less pair per case:
NAME.json (the tokenizer) and NAME.jsonl (text, ids, special, decode_keep, decode_skip, or tokens with
decode_keep and decode_skip alone). Run: python make.py (tokenizers 0.23.3)."""
import json
import pathlib
import random

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
from tokenizers import pre_tokenizers as pre
from tokenizers import processors, trainers

HERE = pathlib.Path(__file__).parent
GPT4 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
DEEPSEEK = [r"\p{N}{1,3}", "[一-龥\u3040-ゟ゠-ヿ]+",
            "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}"
            "\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"]
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re"
         r"|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
         r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
IDEOGRAPHS = "[一-龥ࠀ-一가-\ud7ff]+"
CASED = ("A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ"
        "-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK"
        "-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-"
        "𐳲𑢠-𑣟𞤀-𞥃")
LLM = [r"[\r\n]", rf"\s?[{CASED}]+", r"\s?[!-/:-~！-／：-～‘-‟\u3000-。]+", r"\s+$", IDEOGRAPHS]
CODER = [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", IDEOGRAPHS]
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]"
ENDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
KIMI = (rf"[\p{{Han}}]+|[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{ENDS}|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{ENDS}"
        r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
WORDS = ("the a of and to in is was it that he she said little dog house run running ran story once upon"
         " time 123 4567 don't I'm you'll 東京 日本語 こんにちは 中文字符 привет мир café naïve e\u0301 ß ſ"
         " İstanbul Σίσυφος ὈΔΥΣΣΕΎΣ 안녕하세요 שלום مرحبا नमस्ते 🚀 😶‍🌫️ ½ ² ٣ Ⅷ x_y snake_case C++ <|x|> ---"
         " ... !? ﬁ ﷺ Å ①").split()
SPACES = [" ", " ", " ", " ", "  ", "   ", "\n", "\n\n", "\t", "\r\n", "\u00a0", "\u3000", "\u2028", "\u180e",
          "\x0b", "\u0085", "\u200b", ""]
CHARACTERS = ("abcXYZ019 \n\t'\".,!?-_<>|[]{}()éßſİıµ中文字日本ひカ한글אבجदั๙๓🚀👩‍👩‍👧🏽\u0301\u0300\u0316\u3099\ufeff\u00ad"
              "\u0378\U00031350\U0001e030\u2160\u00bd\u00b2\u0660\u1e9e\u212b\ufb01\u1100\u1161\u11a8\U0001f1e9")


def corpus():
    rng = random.Random(1)
    for _ in range(400):
        yield "".join(rng.choice(WORDS) + rng.choice(SPACES) for _ in range(30))


def texts(tokens, count):
    rng = random.Random(2)
    fixed = ["", " ", "a", "  a", "a  ", "\n \n\n  x", " '", "I'LL don'T 'ſ 're 'VE", "33333 333 33 3.3", "\u0301a",
             "\u00e9 e\u0301", "a\u180eb", "a\u0085b\u00a0c", "\U000e0fff", "Hello World", " " * 33, "é" * 20, "中" * 20,
             "x" * 50, "AbCdEf ＡＢＣ", "Å ﬁ ① ㌀", "\u1100\u1161\u11a8 각", "_ a_b \u203fx", "\u0e33 \u0f71\u0f72"]
    yield from fixed
    for index in range(count):
        kind = index % 3
        parts = []
        for _ in range(rng.randint(1, 14)):
            if kind == 0:
                parts.append(rng.choice(WORDS) + rng.choice(SPACES))
            elif kind == 1:
                parts.append(rng.choice(CHARACTERS) * rng.choice([1, 1, 1, 2, 5]))
            else:
                parts.append(rng.choice(tokens + [" ", "a", "_", "  ", "\n", "中"] if tokens else WORDS))
        yield "".join(parts)


def byte_level(split, prefix=False, **options):
    t = Tokenizer(models.BPE(**options))
    t.pre_tokenizer = split
    t.decoder = decoders.ByteLevel()
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    return t


def sequence(*steps, add_prefix_space=False):
    return pre.Sequence([*steps, pre.ByteLevel(add_prefix_space=add_prefix_space, use_regex=False)])


def train(t, size=350, specials=(), alphabet=True, limit=90):
    t.train_from_iterator(corpus(), trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(specials), show_progress=False,
        initial_alphabet=sorted(pre.ByteLevel.alphabet()) if alphabet else [], limit_alphabet=limit))
    return t


FLAGS = [AddedToken("<plain>"), AddedToken("<left>", lstrip=True), AddedToken("<right>", rstrip=True),
         AddedToken("<both>", lstrip=True, rstrip=True), AddedToken("word", single_word=True),
         AddedToken("Night", normalized=True), AddedToken("Raw", normalized=False), AddedToken("<pl"),
         AddedToken("<plain>x"), AddedToken("é", normalized=True), AddedToken("東京", normalized=False),
         AddedToken("a b"), AddedToken("the", single_word=True, lstrip=True)]


def with_flags(t):
    t.add_special_tokens(["<s>", "</s>", AddedToken("<|Special|>", normalized=True, special=True)])
    t.add_tokens(FLAGS)
    return t


def cases():
    yield "gpt2", train(byte_level(pre.ByteLevel(add_prefix_space=False)), specials=["<|endoftext|>"]), {}
    yield "gpt2_prefix_space", with_flags(train(byte_level(pre.ByteLevel(add_prefix_space=True)))), {}
    yield "deepseek", with_flags(train(byte_level(sequence(
        *[pre.Split(Regex(p), "isolated") for p in DEEPSEEK])))), {}
    yield "gpt4_ignore_merges", train(byte_level(
        sequence(pre.Split(Regex(GPT4), "isolated")), ignore_merges=True)), {"drop_merges": 40, "pairs": False}
    yield "o200k", train(byte_level(sequence(pre.Split(Regex(O200K), "isolated")))), {}
    for name, patterns in [("deepseek_llm", LLM), ("deepseek_coder", CODER)]:
        yield name, train(byte_level(sequence(
            *[pre.Split(Regex(p), "isolated") for p in patterns], pre.Digits(individual_digits=True))),
            450, limit=300), {}
    yield "kimi_k2", train(byte_level(sequence(pre.Split(Regex(KIMI), "isolated")), ignore_merges=True),
                           450, limit=300), {}
    yield "starcoder", train(byte_level(pre.Sequence(
        [pre.Digits(individual_digits=True), pre.ByteLevel(add_prefix_space=False)]))), {"pairs": False}
    for behavior in ("removed", "merged_with_previous", "merged_with_next", "contiguous"):
        yield f"split_{behavior}", train(byte_level(sequence(
            pre.Split(Regex(r"\s|\d+|[^\w\s]"), behavior), pre.Digits(individual_digits=False))), 320), {}
        if behavior in ("removed", "contiguous"):
            yield f"split_{behavior}_inverted", train(byte_level(sequence(
                pre.Split(Regex(r"\w+"), behavior, invert=True))), 310), {}
    yield "split_literal", train(byte_level(sequence(
        pre.Split(" ", "merged_with_next"), pre.Split(Regex(r"\b|\p{Han}"), "isolated"),
        pre.Split(Regex(r"(?=[A-Z\p{Upper}])|[[:punct:]]{2}+|\p{^L}{,3}?x"), "isolated"),
        pre.Split(Regex(r"a(?i)B|c|[^\W\d]_+|[a[0-2]\h-]"), "isolated"))), 310), {}
    yield "whitespace", train(byte_level(sequence(pre.Whitespace())), 310), {}
    yield "whitespace_split", train(byte_level(sequence(
        pre.WhitespaceSplit(), pre.Punctuation("merged_with_previous"))), 310), {}
    t = with_flags(train(byte_level(pre.ByteLevel(add_prefix_space=False))))
    t.post_processor = processors.Sequence([processors.ByteLevel(), processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A $B", special_tokens=[("<s>", t.token_to_id("<s>")),
                                                              ("</s>", t.token_to_id("</s>"))])])
    yield "template", t, {"special": True}
    for name, n in [("lowercase", normalizers.Lowercase()), ("nfc", normalizers.NFC()), ("nfd", normalizers.NFD()),
                    ("nfkc", normalizers.NFKC()), ("nfkd_strip_accents", normalizers.Sequence(
                        [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Strip()])),
                    ("prepend_replace", normalizers.Sequence(
                        [normalizers.Prepend("_"), normalizers.Replace(Regex(r"\s+"), " "),
                         normalizers.Replace("dog", "cat")]))]:
        t = byte_level(pre.ByteLevel(add_prefix_space=False))
        t.normalizer = n
        yield "normalizer_" + name, with_flags(train(t, 320)), {}
    llama = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    llama.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    llama.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                       decoders.Strip(" ", 1, 0)])
    yield "byte_fallback", train(llama, 500, ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)],
                                 False), {"special_bytes": True}
    for fuse in (False, True):
        t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=fuse))
        t.pre_tokenizer = pre.Metaspace(prepend_scheme="first" if fuse else "always")
        t.decoder = decoders.Metaspace(prepend_scheme="first" if fuse else "always")
        yield f"metaspace_unknown_{'fused' if fuse else 'single'}", train(t, 300, ["<unk>"], False), {}
    t = Tokenizer(models.BPE(unk_token="<unk>", continuing_subword_prefix="##", end_of_word_suffix="</w>"))
    t.pre_tokenizer = pre.WhitespaceSplit()
    t.train_from_iterator(corpus(), trainers.BpeTrainer(
        vocab_size=420, special_tokens=["<unk>"], show_progress=False, limit_alphabet=90,
        continuing_subword_prefix="##", end_of_word_suffix="</w>"))
    yield "prefix_suffix_no_decoder", t, {}


def record(name, t, special=False, drop_merges=0, pairs=True, special_bytes=False):
    tree = json.loads(t.to_str())
    if special_bytes:  # byte tokens are ordinary tokens in real files
        tree["added_tokens"] = [a for a in tree["added_tokens"] if not a["content"].startswith("<0x")]
    if drop_merges:
        tree["model"]["merges"] = tree["model"]["merges"][:-drop_merges]
    if not pairs:
        tree["model"]["merges"] = [" ".join(m) for m in tree["model"]["merges"]]
    text = json.dumps(tree, ensure_ascii=False, separators=(",", ":"))
    t = Tokenizer.from_str(text)
    (HERE / f"{name}.json").write_text(text)
    tokens = [a.content for a in t.get_added_tokens_decoder().values() if not a.content.startswith("<0x")]
    lines = []
    for text in texts(tokens, 11):
        ids = t.encode(text, add_special_tokens=special).ids
        lines.append({"text": text, "ids": ids} | ({"special": True} if special else {}))
    rng = random.Random(3)
    limit = max(t.get_vocab().values()) + 1
    for _ in range(6):
        lines.append({"ids": [rng.randrange(limit + 3) for _ in range(rng.randint(1, 16))]})
    for line in lines:
        keep = t.decode(line["ids"], skip_special_tokens=False)
        skip = t.decode(line["ids"], skip_special_tokens=True)
        if keep != line.get("text"):
            line["decode_keep"] = keep
        if skip != line.get("text"):
            line["decode_skip"] = skip
    (HERE / f"{name}.jsonl").write_text(
        "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines))


for case, tokenizer, options in cases():
    record(case, tokenizer, **options)
