#!/usr/bin/env python3
"""Writes more parity cases, small ones, for what the cases of ../parity leave out. The format is
that of ../parity/README.md, and so is most of the code. Usage: make.py [NAME ...]

v3_odd      no q_lora, half-split rope, attention biases, dimensions that are no multiple of 8,
            groups with negative scores, float32 weights, the newer spelling of rope settings,
            rms_norm_eps that differs from the latent norms' own
v3_tied     tied embeddings, no dense layer, router bias stored in bfloat16, weights not normalised
v2_groups   group-limited softmax routing with q_lora and YaRN with different mscales
v3_two_mtp  two MTP modules: `mtp_logits` of the first, `mtp_logits_1` of the second fed by the
            first (row i predicts token i + 3), `mtp_logits_chained` of the first fed by itself;
            here the expectation is ../parity/ref_model.py in float64
"""
import json
import os
import sys

import numpy as np
import torch
from safetensors.torch import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "parity"))
import make as parity  # noqa: E402
import ref_model as reference  # noqa: E402

SMALL = dict(vocab_size=160, hidden_size=48, intermediate_size=96, moe_intermediate_size=36,
             num_hidden_layers=2, num_attention_heads=3, num_key_value_heads=3, kv_lora_rank=40,
             q_lora_rank=32, qk_nope_head_dim=20, qk_rope_head_dim=12, v_head_dim=24)
V3 = dict(parity.V3, **SMALL)
V2 = dict(parity.V2, **SMALL)

CASES = {
    "v3_odd": (dict(V3, q_lora_rank=None, rope_interleave=False, attention_bias=True,
                    rms_norm_eps=1e-4, n_routed_experts=12, n_group=4, topk_group=2,
                    num_experts_per_tok=3), "f32",
               dict(T=70, bias=(-1.6, 0.3), new_rope=True, small_latent=True)),
    "v3_tied": (dict(V3, tie_word_embeddings=True, first_k_dense_replace=0, norm_topk_prob=False,
                     routed_scaling_factor=1.2), "bf16", dict(T=70, bias_dtype="bf16")),
    "v2_groups": (dict(V2, topk_method="group_limited_greedy", n_routed_experts=12, n_group=4,
                       topk_group=2, num_experts_per_tok=3, routed_scaling_factor=4.0,
                       rope_scaling=parity.yarn(mscale=1.0, mscale_all_dim=0.5)), "bf16",
                  dict(T=70)),
}


def build_two_mtp():
    name = "v3_two_mtp"
    path = os.path.join(HERE, name)
    config = dict(V3, num_nextn_predict_layers=2, torch_dtype="bfloat16")
    tensors = parity.store(parity.make_weights(config, {}, 99), config, "bf16", {})
    parity.write_checkpoint(path, config, tensors)
    config, weights = reference.load_model(path, torch.float64)
    generator = torch.Generator().manual_seed(5)
    tokens = torch.randint(3, config["vocab_size"], (70,), generator=generator).tolist()
    logits, _, hidden = reference.forward(config, weights, tokens, return_hidden=True)
    first, _, y = reference.mtp_forward(config, weights, tokens, hidden, return_hidden=True)
    second = reference.mtp_forward(config, weights, tokens[1:], y, depth=1)
    chained = reference.mtp_forward(config, weights, tokens[1:], y, depth=0)
    save_file(
        {"tokens": torch.tensor(tokens, dtype=torch.int32), "logits": logits.float(),
         "mtp_logits": first.float(), "mtp_logits_1": second.float(),
         "mtp_logits_chained": chained.float()},
        os.path.join(path, "expected.safetensors"))
    with open(os.path.join(path, "case.json"), "w") as file:
        json.dump(dict(name=name, torch=torch.__version__, numpy=np.__version__), file, indent=1)


if __name__ == "__main__":
    parity.HERE = HERE
    parity.CASES = CASES
    for case in sys.argv[1:] or [*CASES, "v3_two_mtp"]:
        if case == "v3_two_mtp":
            build_two_mtp()
        else:
            parity.build(case)
