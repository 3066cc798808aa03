#!/usr/bin/env python3
"""Writes numerics.json: what Hugging Face transformers computes for the router alone and for rotary
positions. Usage: make.py (needs torch and transformers >= 5.23; the file says which were used).

router: logits, bias and settings in; chosen experts, best first, and their weights out. Exact ties
are decided by the lower index; there the expectation is a stable sort, because torch.topk promises
nothing. rope: configuration in; inverse frequencies, the factor on cos and sin and the softmax
scale out, and dot products of one rotated query with rotated keys, which do not depend on how an
implementation orders the rotated halves.
"""
import json
import os

import torch
import transformers
from transformers import DeepseekV2Config, DeepseekV3Config
from transformers.models.deepseek_v2 import modeling_deepseek_v2 as v2
from transformers.models.deepseek_v3 import modeling_deepseek_v3 as v3

HERE = os.path.dirname(os.path.abspath(__file__))


def router_config(kind, experts, k, groups, kept, method, norm, scale):
    common = dict(
        hidden_size=experts, num_attention_heads=1, n_routed_experts=experts, num_experts_per_tok=k,
        n_group=groups, topk_group=kept, routed_scaling_factor=scale, norm_topk_prob=norm)
    if kind == "v3":
        return DeepseekV3Config(**common), v3.DeepseekV3TopkRouter
    return DeepseekV2Config(topk_method=method, **common), v2.DeepseekV2TopkRouter


def router_case(name, kind, logits, k, bias=None, groups=1, kept=1, method="noaux_tc", norm=True,
                scale=2.5, ties=False):
    """The gate projection is the identity, so that the logits are the input."""
    logits = torch.tensor(logits, dtype=torch.float32)
    experts = logits.shape[-1]
    config, router_class = router_config(kind, experts, k, groups, kept, method, norm, scale)
    router = router_class(config)
    router.weight.data = torch.eye(experts)
    if bias is not None:
        router.e_score_correction_bias.data = torch.tensor(bias, dtype=torch.float32)
    if ties:
        choice = logits.sigmoid() if kind == "v3" else logits.softmax(-1)
        chosen = (choice + (torch.tensor(bias) if bias is not None else 0)).sort(
            descending=True, stable=True).indices[:k]
        weights = choice[chosen] / (choice[chosen].sum() + 1e-20 if norm else 1) * scale
    else:
        with torch.no_grad():
            _, weights, chosen = router(logits[None])
        weights, chosen = weights[0], chosen[0]
        base = logits.sigmoid() if kind == "v3" else logits.softmax(-1)
        rank = base + (torch.tensor(bias) if bias is not None else 0)
        order = rank[chosen].argsort(descending=True)
        weights, chosen = weights[order], chosen[order]
    return dict(
        name=name, scoring="sigmoid" if kind == "v3" else "softmax", method=method, experts=experts,
        k=k, groups=groups, kept=kept, norm=norm, scale=scale, bias=bias, logits=logits.tolist(),
        chosen=chosen.tolist(), weights=[float(w) for w in weights])


def router_cases():
    generator = torch.Generator().manual_seed(20)

    def random(count, spread=1.0):
        return (torch.randn(count, generator=generator) * spread).tolist()

    cases = [
        router_case("bias flips the choice", "v3", [0.0, 1.0, 0.5, -1.0], 2,
                    bias=[0.0, -0.5, 0.0, 0.6]),
        router_case("bias does not enter the weights", "v3", [2.0, -2.0, 0.0], 1,
                    bias=[-1.0, 3.0, 0.0], norm=False),
        router_case("the rejected group beats nothing, even against negative scores", "v3",
                    [1.0, 0.8, -3.0, -3.2, 0.5, -4.0, 0.2, 0.1], 3,
                    bias=[-1.0, -1.0, -2.0, -2.0, -3.0, -3.0, -2.5, -2.5], groups=4, kept=2),
        router_case("a group counts by its two best, not by its best", "v3",
                    [3.0, -5.0, 1.0, 0.9, -5.0, -5.0], 2, bias=[0.0] * 6, groups=3, kept=1),
        router_case("exact ties go to the lower index", "v3", [0.5, 1.0, 1.0, 1.0, 0.5], 2,
                    bias=[0.0] * 5, ties=True),
        router_case("all equal", "v3", [0.0] * 6, 4, bias=[0.25] * 6, ties=True),
        router_case("ties of softmax scores", "v2", [1.0, 3.0, 3.0, 1.0], 3, method="greedy",
                    norm=False, scale=1.0, ties=True),
        router_case("large logits do not overflow", "v2", [500.0, 498.0, -500.0, 497.0], 2,
                    method="greedy", norm=False, scale=1.0),
        router_case("a group counts by its best in V2", "v2",
                    [3.0, -5.0, 1.0, 0.9, 2.0, 1.9], 2, groups=3, kept=2,
                    method="group_limited_greedy", norm=False, scale=16.0),
    ]
    for index in range(6):
        cases.append(router_case(f"random V3 {index}", "v3", random(32, 2), 6,
                                 bias=random(32, 0.3), groups=8, kept=4, norm=index % 2 == 0))
        cases.append(router_case(f"random V2 greedy {index}", "v2", random(24), 6, method="greedy",
                                 norm=False, scale=1.0))
        cases.append(router_case(f"random V2 groups {index}", "v2", random(40), 6, groups=8, kept=3,
                                 method="group_limited_greedy", norm=False, scale=16.0))
    return cases


def rope_case(name, rope, nope, theta=10000.0, scaling=None, interleave=True):
    parameters = dict(scaling or {"rope_type": "default"}, rope_theta=theta)
    config = DeepseekV3Config(
        hidden_size=64, num_attention_heads=2, qk_rope_head_dim=rope, qk_nope_head_dim=nope,
        v_head_dim=16, kv_lora_rank=16, q_lora_rank=None, rope_interleave=interleave,
        max_position_embeddings=4096, rope_parameters=parameters)
    embedding = v3.DeepseekV3RotaryEmbedding(config)
    generator = torch.Generator().manual_seed(7)
    query = torch.randn(rope, generator=generator)
    key = torch.randn(rope, generator=generator)
    apply = v3.apply_rotary_pos_emb_interleave if interleave else v3.apply_rotary_pos_emb
    positions = [0, 1, 2, 17, 63, 64, 500]
    cos, sin = embedding(query, torch.tensor([positions]))
    rows = (1, 1, len(positions), rope)
    q, k = apply(query.expand(rows), key.expand(rows), cos, sin)
    return dict(
        name=name, rope=rope, nope=nope, theta=theta, interleave=interleave, scaling=scaling,
        frequencies=embedding.inv_freq.double().tolist(), factor=float(embedding.attention_scaling),
        softmax_scale=float(v3.DeepseekV3Attention(config, 0).scaling), query=query.tolist(),
        key=key.tolist(), positions=positions,
        products=[float(q[0, 0, 4] @ k[0, 0, i]) for i in range(len(positions))])


def rope_cases():
    def yarn(**changes):
        return dict(dict(rope_type="yarn", factor=40.0, original_max_position_embeddings=4096,
                         beta_fast=32.0, beta_slow=1.0, mscale=1.0, mscale_all_dim=1.0), **changes)

    return [
        rope_case("plain", 64, 128),
        rope_case("plain, half-split pairs", 64, 128, interleave=False),
        rope_case("plain, another base", 16, 20, theta=50000.0),
        rope_case("YaRN of V3", 64, 128, scaling=yarn()),
        rope_case("YaRN of V2", 64, 128, scaling=yarn(mscale=0.707, mscale_all_dim=0.707)),
        rope_case("YaRN with different mscales", 32, 32, scaling=yarn(mscale_all_dim=0.5)),
        rope_case("YaRN with a given factor", 32, 32, scaling=yarn(attention_factor=1.25)),
        rope_case("YaRN without mscales", 32, 32, scaling={
            k: v for k, v in yarn().items() if not k.startswith("mscale")}),
        rope_case("YaRN, short original length", 16, 32, scaling=yarn(
            factor=8.0, original_max_position_embeddings=64)),
        rope_case("YaRN, ramp of no width", 16, 32, scaling=yarn(
            original_max_position_embeddings=4, beta_fast=1.0, beta_slow=1.0)),
        rope_case("YaRN, half-split pairs", 64, 128, scaling=yarn(), interleave=False),
    ]


if __name__ == "__main__":
    made_with = f"torch {torch.__version__}, transformers {transformers.__version__}"
    with open(os.path.join(HERE, "numerics.json"), "w") as file:
        cases = dict(made_with=made_with, router=router_cases(), rope=rope_cases())
        json.dump(cases, file, indent=1)
        file.write("\n")
