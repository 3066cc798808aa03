#!/usr/bin/env python3
"""Writes tiny.gguf, the same in parts (split-0000N-of-00003.gguf), and expected.json: what a reader must find
in either, under the names of the published layout. Random weights in a mix of formats, an MTP layer, YaRN.
Run: python make.py (Python packages gguf 0.19.0, numpy)."""
import json
import pathlib
import zlib

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Q

HERE = pathlib.Path(__file__).parent
HIDDEN, HEADS, Q_RANK, RANK, NOPE, ROPE, VALUE = 256, 2, 32, 32, 32, 16, 32
EXPERTS, EXPERT_WIDTH, WIDTH, VOCABULARY = 3, 32, 32, 40
MAIN, DENSE = 1, 1


def tensors():
    """GGUF name, published name or names, shape as stored, format."""
    yield "token_embd.weight", "model.embed_tokens.weight", (VOCABULARY, HIDDEN), Q.Q4_K
    for layer in range(MAIN + 1):
        for name, published, shape, kind in block(layer):
            published = [f"model.layers.{layer}.{each}" for each in published]
            yield f"blk.{layer}.{name}", published if len(published) > 1 else published[0], shape, kind
    yield "output_norm.weight", "model.norm.weight", (HIDDEN,), Q.F32
    yield "output.weight", "lm_head.weight", (VOCABULARY, HIDDEN), Q.Q6_K


def block(layer):
    attention = "self_attn."
    yield "attn_norm.weight", ["input_layernorm.weight"], (HIDDEN,), Q.F32
    yield "attn_q_a.weight", [attention + "q_a_proj.weight"], (Q_RANK, HIDDEN), Q.Q5_K
    yield "attn_q_a_norm.weight", [attention + "q_a_layernorm.weight"], (Q_RANK,), Q.F32
    yield "attn_q_b.weight", [attention + "q_b_proj.weight"], (HEADS * (NOPE + ROPE), Q_RANK), Q.Q8_0
    yield "attn_kv_a_mqa.weight", [attention + "kv_a_proj_with_mqa.weight"], (RANK + ROPE, HIDDEN), Q.F16 if layer == 0 else Q.Q4_0
    yield "attn_kv_a_norm.weight", [attention + "kv_a_layernorm.weight"], (RANK,), Q.F32
    if layer == 0:  # joined in the first layer only: files have one form or the other
        yield "attn_kv_b.weight", [attention + "kv_b_proj.weight"], (HEADS * (NOPE + VALUE), RANK), Q.BF16
    else:
        yield "attn_k_b.weight", [attention + "k_b_proj.weight"], (HEADS, RANK, NOPE), Q.Q8_0
        yield "attn_v_b.weight", [attention + "v_b_proj.weight"], (HEADS, VALUE, RANK), Q.Q5_0
    yield "attn_output.weight", [attention + "o_proj.weight"], (HIDDEN, HEADS * VALUE), Q.Q4_0
    yield "ffn_norm.weight", ["post_attention_layernorm.weight"], (HIDDEN,), Q.F32
    parts = [("gate", WIDTH, HIDDEN), ("up", WIDTH, HIDDEN), ("down", HIDDEN, WIDTH)]
    if layer < DENSE:
        for part, rows, columns in parts:
            yield f"ffn_{part}.weight", [f"mlp.{part}_proj.weight"], (rows, columns), Q.Q4_0
        return
    yield "ffn_gate_inp.weight", ["mlp.gate.weight"], (EXPERTS, HIDDEN), Q.F32
    yield "exp_probs_b.bias", ["mlp.gate.e_score_correction_bias"], (EXPERTS,), Q.F32
    for part, rows, columns in [("gate", EXPERT_WIDTH, HIDDEN), ("up", EXPERT_WIDTH, HIDDEN), ("down", HIDDEN, EXPERT_WIDTH)]:
        names = [f"mlp.experts.{each}.{part}_proj.weight" for each in range(EXPERTS)]
        kind = {"gate": Q.Q4_K, "up": Q.Q8_0, "down": Q.Q5_0}[part]
        yield f"ffn_{part}_exps.weight", names, (EXPERTS, rows, columns), kind
        yield f"ffn_{part}_shexp.weight", [f"mlp.shared_experts.{part}_proj.weight"], (rows, columns), Q.Q4_0
    if layer < MAIN:
        return
    yield "nextn.eh_proj.weight", ["eh_proj.weight"], (HIDDEN, 2 * HIDDEN), Q.Q4_K
    yield "nextn.enorm.weight", ["enorm.weight"], (HIDDEN,), Q.F32
    yield "nextn.hnorm.weight", ["hnorm.weight"], (HIDDEN,), Q.F32
    yield "nextn.shared_head_norm.weight", ["shared_head.norm.weight"], (HIDDEN,), Q.F32


def data(name, shape, kind):
    rng = np.random.Generator(np.random.SFC64(zlib.crc32(name.encode())))
    block, size = gguf.GGML_QUANT_SIZES[kind]
    count = int(np.prod(shape)) // block * size
    return rng.integers(0, 256, count, dtype=np.uint8).reshape(*shape[:-1], shape[-1] // block * size)


def write(path, **options):
    w = gguf.GGUFWriter(path, "deepseek2", **options)
    w.add_type("model")
    w.add_name("Tiny")
    w.add_block_count(MAIN + 1)
    w.add_nextn_predict_layers(1)
    w.add_vocab_size(VOCABULARY)
    w.add_context_length(640)
    w.add_embedding_length(HIDDEN)
    w.add_feed_forward_length(WIDTH)
    w.add_leading_dense_block_count(DENSE)
    w.add_head_count(HEADS)
    w.add_head_count_kv(1)
    w.add_q_lora_rank(Q_RANK)
    w.add_kv_lora_rank(RANK)
    w.add_key_length(RANK + ROPE)
    w.add_value_length(RANK)
    w.add_key_length_mla(NOPE + ROPE)
    w.add_value_length_mla(VALUE)
    w.add_rope_dimension_count(ROPE)
    w.add_rope_freq_base(10000.0)
    w.add_rope_scaling_type(gguf.RopeScalingType.YARN)
    w.add_rope_scaling_factor(40.0)
    w.add_rope_scaling_orig_ctx_len(64)
    w.add_rope_scaling_yarn_log_mul(0.1 * 0.707)
    w.add_layer_norm_rms_eps(1e-6)
    w.add_expert_count(EXPERTS)
    w.add_expert_used_count(2)
    w.add_expert_shared_count(1)
    w.add_expert_feed_forward_length(EXPERT_WIDTH)
    w.add_expert_weights_scale(2.446)
    w.add_expert_weights_norm(True)
    w.add_expert_gating_func(gguf.ExpertGatingFuncType.SIGMOID)
    w.add_quantization_version(2)
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("deepseek-v3")
    tokens = ["<s>", "</s>", *"abcdefghijklmnopqrstuvwxyz ".replace(" ", "Ġ"), "th", "the", "Ġthe", "<think>"]
    types = [3, 3] + [1] * 30 + [4]
    while len(tokens) < VOCABULARY:
        types.append(5)
        tokens.append(f"[PAD{len(tokens)}]")
    w.add_token_list(tokens)
    w.add_token_types(types)
    w.add_token_merges(["t h", "th e", "Ġ the"])
    w.add_bos_token_id(0)
    w.add_eos_token_id(1)
    w.add_add_bos_token(True)
    for name, _, shape, kind in tensors():
        w.add_tensor(name, data(name, shape, kind), raw_dtype=kind)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def expected():
    config = dict(
        architectures=["DeepseekV3ForCausalLM"], model_type="deepseek_v3", num_hidden_layers=MAIN,
        num_nextn_predict_layers=1, hidden_size=HIDDEN, intermediate_size=WIDTH,
        max_position_embeddings=640, first_k_dense_replace=DENSE, vocab_size=VOCABULARY,
        num_attention_heads=HEADS, q_lora_rank=Q_RANK, kv_lora_rank=RANK, qk_rope_head_dim=ROPE,
        qk_nope_head_dim=NOPE, v_head_dim=VALUE, moe_intermediate_size=EXPERT_WIDTH,
        n_routed_experts=EXPERTS, num_experts_per_tok=2, n_shared_experts=1, routed_scaling_factor=2.446,
        norm_topk_prob=True, scoring_func="sigmoid", n_group=1, topk_group=1, topk_method="noaux_tc",
        rope_theta=10000.0,
        rope_scaling=dict(type="yarn", factor=40.0, original_max_position_embeddings=64, beta_fast=32.0,
                          beta_slow=1.0, mscale=0.707, mscale_all_dim=0.707),
        rms_norm_eps=1e-6, tie_word_embeddings=False, attention_bias=False, bos_token_id=0, eos_token_id=[1])
    found = []
    for name, published, shape, kind in tensors():
        raw = data(name, shape, kind)
        one = isinstance(published, str)
        for index, each in enumerate([published] if one else published):
            part, size = (raw, shape) if one else (raw[index], shape[1:])
            if len(size) == 3:  # heads and their rows are rows
                size = (size[0] * size[1], size[2])
            found.append(dict(name=each, format=kind.name, shape=size, crc=zlib.crc32(part.tobytes())))
    return dict(configuration=config, tensors=found)


write(HERE / "tiny.gguf")
write(HERE / "split.gguf", split_max_tensors=14)
(HERE / "expected.json").write_text(json.dumps(expected(), indent=0))
