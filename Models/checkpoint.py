"""The model in the layout of the released DeepSeek-V3 checkpoints: config.json and model.safetensors."""
import json
import os
from dataclasses import asdict

import torch
from safetensors.torch import load_file, save_file

from model import Config, DeepseekV3


def released_config(c, bos, eos):
    """config.json with every key of a released DeepSeek-V3."""
    return {"architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3", **asdict(c),
            "num_key_value_heads": c.num_attention_heads, "moe_layer_freq": 1, "topk_method": "noaux_tc",
            "scoring_func": "sigmoid", "norm_topk_prob": True, "num_nextn_predict_layers": 1, "hidden_act": "silu",
            "attention_bias": False, "attention_dropout": 0.0, "rope_scaling": None, "tie_word_embeddings": True,
            "initializer_range": 0.02, "ep_size": 1, "pretraining_tp": 1, "use_cache": True,
            "bos_token_id": bos, "eos_token_id": eos, "torch_dtype": "bfloat16"}


def released_state(model):
    """Tensors under their released names: one per expert, bfloat16, the correction bias float32."""
    state = {}
    for name, value in model.state_dict().items():
        if name.endswith("mlp.gate_up"):
            for e, (gate, up) in enumerate(value):
                state[name.replace("gate_up", f"experts.{e}.gate_proj.weight")] = gate
                state[name.replace("gate_up", f"experts.{e}.up_proj.weight")] = up
        elif name.endswith("mlp.down"):
            for e, down in enumerate(value):
                state[name.replace("mlp.down", f"mlp.experts.{e}.down_proj.weight")] = down
        else:
            state[name] = value
    return {k: v.clone() if k.endswith("bias") else v.to(torch.bfloat16).clone() for k, v in state.items()}


def save_released(model, folder, bos, eos):
    """Writes config.json and model.safetensors; each file is complete when it appears."""
    with open(f"{folder}/config.json.new", "w") as f:
        json.dump(released_config(model.c, bos, eos), f, indent=2)
    save_file(released_state(model), f"{folder}/model.safetensors.new", metadata={"format": "pt"})
    for name in ("config.json", "model.safetensors"):
        os.replace(f"{folder}/{name}.new", f"{folder}/{name}")


def load_released(folder):
    with open(f"{folder}/config.json") as f:
        released = json.load(f)
    model = DeepseekV3(Config(**{k: v for k, v in released.items() if k in Config.__dataclass_fields__}))
    tensors = load_file(f"{folder}/model.safetensors")
    state = model.state_dict()
    for name, value in state.items():
        prefix, _, kind = name.rpartition(".")
        if kind == "gate_up":
            for e in range(len(value)):
                value[e, 0] = tensors[f"{prefix}.experts.{e}.gate_proj.weight"]
                value[e, 1] = tensors[f"{prefix}.experts.{e}.up_proj.weight"]
        elif kind == "down":
            for e in range(len(value)):
                value[e] = tensors[f"{prefix}.experts.{e}.down_proj.weight"]
        else:
            value.copy_(tensors[name])
    return model
