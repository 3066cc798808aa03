"""Trains Hadal's demo model from a folder of text, on CPUs, with one single-threaded process per core.

    python train.py CORPUS OUT [--minutes 86] [--workers 2] [--resume]

OUT gets the tokenizer, the model in the released layout (refreshed with every checkpoint) and the state
from which --resume goes on.
"""
import argparse
import json
import os
import time
from datetime import timedelta

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from tokenizers import Tokenizer

from checkpoint import save_released
from data import BOS, EOS, Documents, held_out_rows, train_tokenizer
from model import Config, DeepseekV3

MTP_WEIGHT = 0.3
BIAS_SPEED = 0.01         # at the start, falling to zero with the progress of the run
DECAY_FROM = 0.4          # the share of the run after which the rate falls linearly, and the mix of texts shifts
BATCH, LENGTH = 8, 512    # per process and step
MUON_RATE, ADAM_RATE = 0.02, 0.003
CHECKPOINT_SECONDS = 300


def orthogonal(x):
    """The nearest matrix with equal singular values, roughly: five Newton-Schulz steps of Muon."""
    wide = x.shape[-2] <= x.shape[-1]
    x = (x if wide else x.mT).to(torch.bfloat16)
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * (gram @ gram)) @ x
    return (x if wide else x.mT).float()


class Muon:
    """Momentum whose update is made orthogonal, for matrices; the workers share the work of that."""

    def __init__(self, params, rank, workers, momentum=0.95, decay=0.02):
        self.params, self.momentum, self.decay = params, momentum, decay
        self.buffers = [torch.zeros_like(p) for p in params]
        self.updates = torch.zeros(sum(p.numel() for p in params))
        self.views = [u.view_as(p) for u, p in zip(self.updates.split([p.numel() for p in params]), params)]
        burden, self.mine = [0] * workers, []
        for i in sorted(range(len(params)), key=lambda i: -params[i].numel()):
            owner = burden.index(min(burden))
            burden[owner] += params[i].numel()
            if owner == rank:
                self.mine.append(i)

    @torch.no_grad()
    def step(self, rate):
        for p, buffer in zip(self.params, self.buffers):
            buffer.lerp_(p.grad, 1 - self.momentum)
        self.updates.zero_()
        groups = {}  # one batched product for all matrices of a shape
        for i in self.mine:
            groups.setdefault(self.params[i].shape[-2:], []).append(i)
        for shape, members in groups.items():
            stack = torch.cat([self.params[i].grad.lerp(self.buffers[i], self.momentum).view(-1, *shape) for i in members])
            stack = orthogonal(stack) * max(1, shape[0] / shape[1]) ** 0.5
            for i, part in zip(members, stack.split([self.params[i].numel() // shape.numel() for i in members])):
                self.views[i].copy_(part.view_as(self.views[i]))
        dist.all_reduce(self.updates)
        for p, update in zip(self.params, self.views):
            p.mul_(1 - rate * self.decay).add_(update, alpha=-rate)


@torch.no_grad()
def held_out_loss(model, rows):
    losses = torch.tensor([[loss.item() for loss in model.losses(part)] for part in rows.split(8) if len(part) == 8])
    for moe in model.moe_layers():
        moe.load.zero_()
    return losses.mean(0).tolist()


def worker(rank, args):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    dist.init_process_group("gloo", f"file://{os.path.abspath(args.out)}/rendezvous", rank=rank,
                            world_size=args.workers, timeout=timedelta(hours=2))
    tokenizer = Tokenizer.from_file(f"{args.out}/tokenizer.json")
    model = DeepseekV3(Config(vocab_size=tokenizer.get_vocab_size()))
    matrices = [p for n, p in model.named_parameters() if p.dim() > 1 and "embed" not in n and "gate.weight" not in n]
    others = [p for p in model.parameters() if all(p is not m for m in matrices)]
    muon = Muon(matrices, rank, args.workers)
    adam = torch.optim.AdamW(others, lr=0, betas=(0.9, 0.95), weight_decay=0.01, fused=True)
    moe_layers = model.moe_layers()

    step, tokens, progress_before = 0, 0, 0.0
    state_file = f"{args.out}/state.pt"
    if args.resume:
        state = torch.load(state_file)
        model.load_state_dict(state["model"])
        adam.load_state_dict(state["adam"])
        for buffer, saved in zip(muon.buffers, state["muon"]):
            buffer.copy_(saved)
        step, tokens, progress_before = state["step"], state["tokens"], state["progress"]
    documents = Documents(args.corpus, tokenizer, seed=1000 * step + rank)
    if rank == 0:
        print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f}M parameters", flush=True)
        rows = held_out_rows(args.corpus, tokenizer, LENGTH)[:32]

    # One buffer for everything the workers sum up: gradients, expert loads, losses, and rank 0's progress.
    params = list(model.parameters())
    sizes = [p.numel() for p in params] + [moe_layers[0].load.numel()] * len(moe_layers) + [3]
    shared = torch.zeros(sum(sizes))
    parts = shared.split(sizes)
    for p, part in zip(params, parts):
        p.grad = part.view_as(p)
    loads, numbers = parts[len(params):-1], parts[-1]

    def save(progress):
        state = {"model": model.state_dict(), "adam": adam.state_dict(), "muon": muon.buffers, "step": step,
                 "tokens": tokens, "progress": progress}
        torch.save(state, state_file + ".new")
        os.replace(state_file + ".new", state_file)
        save_released(model, args.out, tokenizer.token_to_id(BOS), tokenizer.token_to_id(EOS))

    start, saved, progress = time.time(), time.time(), progress_before
    average = None
    while progress < 1:
        shared.zero_()
        decay = max(0.0, (progress - DECAY_FROM) / (1 - DECAY_FROM))
        losses = model.losses(documents.batch(BATCH, LENGTH + 2, decay))
        (losses[0] + MTP_WEIGHT * losses[1]).backward()
        for part, moe in zip(loads, moe_layers):
            part.copy_(moe.load)
            moe.load.zero_()
        numbers[:2] = torch.stack(losses).detach()
        if rank == 0:  # the others may be a moment ahead or behind
            done = (time.time() - start) / (60 * args.minutes)
            numbers[2] = args.workers * min(1.0, progress_before + (1 - progress_before) * done)
        dist.all_reduce(shared)
        shared /= args.workers
        progress = numbers[2].item()
        step, tokens = step + 1, tokens + args.workers * BATCH * LENGTH

        rate = min(1, step / 40) * min(1.0, max(0.02, (1 - progress) / (1 - DECAY_FROM)))
        adam.param_groups[0]["lr"] = ADAM_RATE * rate
        torch.nn.utils.clip_grad_norm_(others, 1.0)
        adam.step()
        muon.step(MUON_RATE * rate)
        for part, moe in zip(loads, moe_layers):
            moe.balance(part, BIAS_SPEED * (1 - progress))

        if rank == 0:
            new = numbers.tolist()[:2]
            average = [0.95 * a + 0.05 * n for a, n in zip(average or new, new)]
            if step <= 5 or step % 20 == 0:
                balance = " ".join(f"{(load.max() / load.mean()).item():.2f}" for load in loads)
                print(f"step {step} tokens {tokens / 1e6:.2f}M seconds {time.time() - start:.0f} progress {progress:.3f} "
                      f"rate {rate:.2f} loss {average[0]:.3f} mtp {average[1]:.3f} load max/mean {balance}", flush=True)
            if step % 200 == 0:
                print("  held out: main {:.3f} mtp {:.3f}".format(*held_out_loss(model, rows)), flush=True)
            if time.time() - saved > CHECKPOINT_SECONDS or progress >= 1:
                save(progress)
                saved = time.time()
    dist.barrier()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", help="folder with the text files that data.py names")
    parser.add_argument("out")
    parser.add_argument("--minutes", type=float, default=86, help="wall time of the run (of the rest, with --resume)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--resume", action="store_true")
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    if os.path.exists(f"{args.out}/rendezvous"):
        os.remove(f"{args.out}/rendezvous")
    if not args.resume:
        tokenizer = train_tokenizer(args.corpus, Config.vocab_size, args.out)
        with open(f"{args.out}/generation_config.json", "w") as f:
            json.dump({"bos_token_id": tokenizer.token_to_id(BOS), "eos_token_id": tokenizer.token_to_id(EOS),
                       "do_sample": True, "temperature": 0.6, "top_p": 0.9}, f, indent=2)
    # Read by the workers as they start: keep freed memory, because fresh pages are slow.
    os.environ.update(MALLOC_MMAP_MAX_="0", MALLOC_TRIM_THRESHOLD_="16000000000", MALLOC_ARENA_MAX="1",
                      MALLOC_TOP_PAD_="1000000000", GLOO_SOCKET_IFNAME="lo")
    mp.spawn(worker, (args,), args.workers)


if __name__ == "__main__":
    main()
