"""Measures an exported model: held-out loss, expert load, acceptance of the MTP draft, and samples.

    python evaluate.py CORPUS MODEL
"""
import argparse
import json

import torch
from tokenizers import Tokenizer

from checkpoint import load_released
from data import ASSISTANT, BOS, EOS, HELD_OUT, USER, held_out_rows, read_stories

PROMPTS = ["Tell me a story.", "Tell me a story about a dog and a ball.", "Write a short story about a brave little fox.",
           "Can you tell me a bedtime story?", "Hello!", "Who are you?"]


@torch.no_grad()
def losses_and_loads(model, rows, learned_bias=True):
    """Held-out loss (main, MTP) and the max/mean expert load of every MoE layer, the MTP module's last."""
    gates = [moe.gate for moe in model.moe_layers()]
    biases = [gate.e_score_correction_bias.clone() for gate in gates]
    for gate, moe in zip(gates, model.moe_layers()):
        gate.e_score_correction_bias.mul_(1.0 if learned_bias else 0.0)
        moe.load.zero_()
    losses = torch.tensor([[loss.item() * len(part) for loss in model.losses(part)] for part in rows.split(8)]).sum(0) / len(rows)
    for gate, bias in zip(gates, biases):
        gate.e_score_correction_bias.copy_(bias)
    return losses.tolist(), [(moe.load.max() / moe.load.mean()).item() for moe in model.moe_layers()]


@torch.no_grad()
def generate(model, ids, limit, eos, temperature=0.0, top_p=0.9, seed=0):
    """Continues ids; greedy where the temperature is 0."""
    generator, ids = torch.Generator().manual_seed(seed), list(ids)
    for _ in range(limit):
        logits = model.logits(model.hidden(torch.tensor([ids])))[0, -1]
        if temperature == 0:
            ids.append(logits.argmax().item())
        else:
            probabilities, tokens = (logits / temperature).softmax(-1).sort(descending=True)
            probabilities[probabilities.cumsum(0) - probabilities > top_p] = 0
            ids.append(tokens[probabilities.multinomial(1, generator=generator)].item())
        if ids[-1] == eos:
            break
    return ids


@torch.no_grad()
def accepted(model, ids, prompt):
    """Drafts that hold when ids[prompt:], a greedy continuation, is generated with one draft per main pass."""
    hidden = model.hidden(torch.tensor([ids]))
    drafts = model.logits(model.hidden_mtp(torch.tensor([ids[1:]]), hidden[:, :-1]))[0].argmax(-1).tolist()
    i, good, made = prompt - 1, 0, 0
    while i + 2 < len(ids):  # token i + 1 is known; drafts[i] is the guess of token i + 2
        made += 1
        good += drafts[i] == ids[i + 2]
        i += 2 if drafts[i] == ids[i + 2] else 1
    return good, made


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus")
    parser.add_argument("model")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model, tokenizer = load_released(args.model), Tokenizer.from_file(f"{args.model}/tokenizer.json")
    eos = tokenizer.token_to_id(EOS)
    with open(f"{args.model}/generation_config.json") as f:
        sampling = json.load(f)

    rows = held_out_rows(args.corpus, tokenizer, 514)
    stories = read_stories(args.corpus, HELD_OUT)
    tokens = sum(len(e.ids) for e in tokenizer.encode_batch(stories))
    print(f"held out: {len(stories)} stories, {sum(map(len, stories)) / tokens:.2f} characters per token")
    for name, learned in (("learned bias", True), ("bias set to zero", False)):
        losses, loads = losses_and_loads(model, rows, learned)
        print(f"{name}: loss {losses[0]:.3f}, MTP {losses[1]:.3f}, load max/mean " + " ".join(f"{x:.2f}" for x in loads), flush=True)

    chats = [f"{BOS}{USER}{prompt}{ASSISTANT}" for prompt in PROMPTS[:4]]
    beginnings = [BOS + " ".join(story.split()[:12]) for story in stories[:12]]
    for name, prompts in (("chats", chats), ("beginnings of held-out stories", beginnings)):
        good = made = new = 0
        for prompt in prompts:
            ids = tokenizer.encode(prompt).ids
            output = generate(model, ids, 120, eos)
            result = accepted(model, output, len(ids))
            good, made, new = good + result[0], made + result[1], new + len(output) - len(ids)
        print(f"greedy MTP acceptance, {name}: {good}/{made} = {good / made:.3f}; {new} tokens", flush=True)

    for prompt in [f"{BOS}{USER}{p}{ASSISTANT}" for p in PROMPTS] + [BOS + "One day, a little frog found a key in the grass."]:
        ids = tokenizer.encode(prompt).ids
        for temperature in (0.0, sampling["temperature"]):
            output = generate(model, ids, 400, eos, temperature, sampling["top_p"])
            print(f"\n--- {prompt} (temperature {temperature})\n{tokenizer.decode(output[len(ids):])}", flush=True)


if __name__ == "__main__":
    main()
