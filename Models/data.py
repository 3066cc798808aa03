"""The training text: tokenizer, stories, and chats made from the stories.

Documents are drawn, varied and encoded while training runs, so that a second pass over a story differs from
the first: other names, another question, another place to begin.
"""
import json
import random
import re
from collections import Counter, defaultdict

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from chats import ANY_STORY, CONTINUE, FRIENDLY_CHATS, NEXT, NOUNS, STORY_REQUESTS, SYSTEM_PROMPTS

BOS, EOS, PAD = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"
USER, ASSISTANT = "<｜User｜>", "<｜Assistant｜>"
OTHER_MARKERS = ["<｜fim▁hole｜>", "<｜fim▁begin｜>", "<｜fim▁end｜>", USER, ASSISTANT, "<|EOT|>",
                 "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>",
                 "<｜tool▁outputs▁begin｜>", "<｜tool▁outputs▁end｜>", "<｜tool▁output▁begin｜>",
                 "<｜tool▁output▁end｜>", "<｜tool▁sep｜>", "<think>", "</think>"]
# The splits of DeepSeek-V3's tokenizer: numbers, CJK runs, then words with their leading space.
SPLITS = [r"\p{N}{1,3}", "[一-龥\u3040-ゟ゠-ヿ]+",
          r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
          r"""| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""]
# Plain chats exactly as DeepSeek-V3 renders them.
CHAT_TEMPLATE = (
    "{%- set ns = namespace(system='') -%}"
    "{%- for message in messages if message.role == 'system' -%}"
    "{%- set ns.system = ns.system + ('\\n\\n' if ns.system else '') + message.content -%}"
    "{%- endfor -%}"
    "{{- bos_token + ns.system -}}"
    "{%- for message in messages -%}"
    "{%- if message.role == 'user' -%}"
    "{{- '<｜User｜>' + message.content -}}"
    "{%- elif message.role == 'assistant' -%}"
    "{{- '<｜Assistant｜>' + message.content.split('</think>')[-1] + eos_token -}}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<｜Assistant｜>' -}}{%- endif -%}"
)

# Share of the drawn documents: while the rate is constant, and at the end of its decay. The simplest
# language gets the last word, because that is what the model shall speak.
SOURCES = {
    "tinystories_train_cased.txt": (0.36, 0.68), "tinystories_train_truecased.txt": (0.13, 0.08),
    "african_storybook_en.txt": (0.04, 0.03), "pratham_books_en.txt": (0.06, 0.05),
    "gutenberg_fables_readers.txt": (0.03, 0.02), "gutenberg_bailey.txt": (0.08, 0.03),
    "gutenberg_burgess.txt": (0.08, 0.04), "gutenberg_bedtime.txt": (0.08, 0.04),
    "gutenberg_bunny_brown.txt": (0.05, 0.02), "fairytaleqa_stories.txt": (0.04, 0.01),
    "gutenberg_oz_tales.txt": (0.02, 0.01), "gutenberg_lang.txt": (0.01, 0.0)}
QUESTIONS_SHARE, FRIENDLY_SHARE, CHAT_SHARE = 0.02, 0.025, 0.75
CHAT_SOURCES = ("tinystories_train_cased.txt", "african_storybook_en.txt", "pratham_books_en.txt")
HELD_OUT = "tinystories_val.txt"

GIRLS = "Lily Sue Lucy Mia Sara Anna Emma Amy Jane Lila Ella Rose Molly Daisy Kate Sally Mary Nina Zoe Ruby".split()
BOYS = "Tim Tom Ben Max Jack Sam Timmy Bob Tommy Billy Leo John Jake Joe Mark Peter Luke Toby Fred Danny".split()


def read_stories(folder, name):
    with open(f"{folder}/{name}", encoding="utf-8") as f:
        text = re.sub(r"[“”]", '"', f.read()).replace("’", "'").replace("‘", "'")
    if name == HELD_OUT:  # has no separators: a new story is told by how it begins
        parts = re.split(r"\n\n+(?=Once upon a time|Once there was|One day, (?:a|an|the) )", text)[1:-1]
    else:
        parts = text.split("<|endoftext|>")
    # Blank lines between the paragraphs, whatever the source used.
    return [re.sub(r"\s*\n\s*", "\n\n", part.strip()) for part in parts if part.strip()]


def train_tokenizer(folder, size, out):
    """Byte-level BPE with DeepSeek-V3's splits and special tokens, saved with its configuration."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(split), "isolated") for split in SPLITS]
        + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    names = [name for name in SOURCES if "lang" not in name and "oz" not in name]
    names += [name for name in names if name.startswith("tiny")]  # twice: it is what the model shall speak
    trainer = trainers.BpeTrainer(
        vocab_size=size - len(OTHER_MARKERS), special_tokens=[BOS, EOS, PAD], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator((story for name in names for story in read_stories(folder, name)), trainer)
    tokenizer.add_tokens([AddedToken(marker, normalized=False) for marker in OTHER_MARKERS])
    assert tokenizer.get_vocab_size() == size
    tokenizer.save(f"{out}/tokenizer.json")
    token = {"__type": "AddedToken", "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
    config = {"add_bos_token": True, "add_eos_token": False, "bos_token": {"content": BOS, **token},
              "clean_up_tokenization_spaces": False, "eos_token": {"content": EOS, **token}, "legacy": True,
              "model_max_length": 1024, "pad_token": {"content": PAD, **token}, "sp_model_kwargs": {},
              "unk_token": None, "tokenizer_class": "LlamaTokenizerFast", "chat_template": CHAT_TEMPLATE}
    with open(f"{out}/tokenizer_config.json", "w", encoding="utf-8") as f:
        json.dump(config, f, indent=2, ensure_ascii=False)
    return tokenizer


def chat(turns, system=""):
    """A finished chat in DeepSeek-V3's format; turns are (user, assistant)."""
    return BOS + system + "".join(USER + user + ASSISTANT + answer + EOS for user, answer in turns)


def subject(story, rng):
    """What the story is about, as a person would ask for it: "a girl named Lily", "a dog and a ball"."""
    named = re.search(r"\b(girl|boy|dog|cat|bird|bear|rabbit|bunny|mouse|fox|frog|duck|fish) named ([A-Z]\w+)", story)
    if named and rng.random() < 0.3:
        return f"a {named[1]} named {named[2]}"
    words = re.findall(r"[a-z]+", story.lower())
    counts = Counter(word for word in words if word in NOUNS)
    for word in words[:40]:  # the beginning says what matters
        if word in counts:
            counts[word] += 1
    nouns = [noun for noun, count in counts.most_common(3) if count >= 3]
    if not nouns:
        return None

    def article(noun):
        adjective = re.search(r"\b(little|big|brave|kind|small|happy|sad|clever|magic|old|funny|lonely|red) " + noun, story)
        phrase = f"{adjective[1]} {noun}" if adjective and rng.random() < 0.4 else noun
        return ("an " if re.match("[aeio]|um", phrase) else "a ") + phrase
    if len(nouns) > 1 and rng.random() < 0.25:
        return f"{article(nouns[0])} and {article(nouns[1])}"
    return article(nouns[0] if rng.random() < 0.75 else rng.choice(nouns))


def rename(story, rng):
    """Gives the children of a story other names."""
    for names in (GIRLS, BOYS):
        present = [name for name in names if re.search(rf"\b{name}\b", story)]
        fresh = rng.sample([name for name in names if name not in present], len(present))
        mapping = dict(zip(present, fresh))
        if mapping:
            story = re.sub(r"\b(" + "|".join(mapping) + r")\b", lambda m: mapping[m[1]], story)
    return story


def halves(story, rng):
    """Cuts a story at the end of a sentence somewhere in the middle."""
    ends = [m.end() for m in re.finditer(r'[.!?]"?(?=\s)', story)]
    ends = [end for end in ends if 0.2 * len(story) < end < 0.8 * len(story)]
    if not ends:
        return None
    end = rng.choice(ends)
    return story[:end], story[end:].strip()


class Documents:
    """An endless stream of encoded documents."""

    def __init__(self, folder, tokenizer, seed):
        self.rng, self.tokenizer = random.Random(seed), tokenizer
        self.stories = {name: read_stories(folder, name) for name in SOURCES}
        held_out = {p for story in read_stories(folder, HELD_OUT) for p in story.split("\n\n") if len(p) > 60}
        for name, stories in self.stories.items():
            self.stories[name] = [story for story in stories if not held_out.intersection(story.split("\n\n"))]
        self.questions = self.read_questions(folder)

    def read_questions(self, folder):
        """The questions of FairytaleQA, each with the paragraphs of the story that share its rarest words."""
        with open(f"{folder}/fairytaleqa_qa.txt", encoding="utf-8") as f:
            pairs = re.findall(r"User: (.+)\nAssistant: (.+)", f.read())
        passages, index = [], defaultdict(set)
        for story in self.stories["fairytaleqa_stories.txt"]:
            paragraphs = story.split("\n\n")
            for i in range(len(paragraphs)):
                if len(paragraphs[i]) < 1200:
                    for word in set(re.findall(r"[a-z]{3,}", paragraphs[i].lower())):
                        index[word].add(len(passages))
                    passages.append(paragraphs[i])
        questions = []
        for question, answer in pairs:
            scores = Counter()
            for word in set(re.findall(r"[a-z]{3,}", f"{question} {answer}".lower())):
                if len(index[word]) < 300:
                    scores.update(dict.fromkeys(index[word], 1 / (3 + len(index[word]))))
            if scores:
                passage, score = scores.most_common(1)[0]
                if score > 0.12:
                    answer = answer.strip().rstrip(".")
                    questions.append((passages[passage], question, answer[0].upper() + answer[1:] + "."))
        return questions

    def text(self, progress):
        """One document; progress is 0 during the constant rate and goes to 1 with its decay."""
        rng = self.rng
        draw = rng.random()
        if draw < FRIENDLY_SHARE:
            return chat([rng.choice(FRIENDLY_CHATS)])
        if draw < FRIENDLY_SHARE + QUESTIONS_SHARE:
            passage, question, answer = rng.choice(self.questions)
            return chat([(f"{passage}\n\n{question}", answer)])
        weights = [start + (end - start) * progress for start, end in SOURCES.values()]
        name = rng.choices(list(SOURCES), weights)[0]
        story = rng.choice(self.stories[name])
        if name.startswith("tiny") and rng.random() < 0.5:
            story = rename(story, rng)
        if name in CHAT_SOURCES and len(story) < 1600 and rng.random() < CHAT_SHARE:
            return self.story_chat(story)
        if len(story) > 2500:  # a chapter: begin at any of its paragraphs
            paragraphs = story.split("\n\n")
            start = rng.randrange(max(1, len(paragraphs) * 3 // 4))
            story = "\n\n".join(paragraphs[start:start + 60])
        return BOS + story + EOS

    def story_chat(self, story):
        rng = self.rng
        system = rng.choice(SYSTEM_PROMPTS) if rng.random() < 0.1 else ""
        about = subject(story, rng)
        request = rng.choice(STORY_REQUESTS).format(about) if about and rng.random() < 0.85 else rng.choice(ANY_STORY)
        cut = halves(story, rng) if rng.random() < 0.3 else None
        if cut and rng.random() < 0.5:
            return chat([(rng.choice(CONTINUE).format(cut[0]), cut[1])], system)
        if cut:
            return chat([(request, cut[0]), (rng.choice(NEXT), cut[1])], system)
        return chat([(request, story)], system)

    def batch(self, size, length, progress):
        """[size, length] token ids; every row begins with the beginning of a document."""
        rows = []
        for _ in range(size):
            row = []
            while len(row) < length:
                row += self.tokenizer.encode(self.text(progress)[:5000]).ids
            rows.append(row[:length])
        return torch.tensor(rows)


def held_out_rows(folder, tokenizer, length):
    """The held-out stories, each after BOS and with EOS, cut into rows."""
    ids = [i for e in tokenizer.encode_batch([BOS + s + EOS for s in read_stories(folder, HELD_OUT)]) for i in e.ids]
    return torch.tensor(ids[:len(ids) // length * length]).view(-1, length)
