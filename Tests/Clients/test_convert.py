"""`hadal convert`, read by the Python package of the GGUF format's authors.

    HADAL=.build/release/hadal python -m unittest discover -s Tests/Clients
"""

import json
import os
import pathlib
import resource
import shutil
import signal
import struct
import subprocess
import tempfile
import unittest

import gguf
import numpy as np

ROOT = pathlib.Path(__file__).parent.parent.parent
DEMO = ROOT / "Models" / "demo"
FIXTURES = ROOT / "Tests" / "Fixtures"
TYPES = ["bf16", "q8_0", "q4_k_m"]


def convert(source, output, kind, *more, **options):
    return subprocess.run(
        [os.environ["HADAL"], "convert", "--input", source, "--output", output, "--type", kind,
         *more], capture_output=True, text=True, timeout=300, **options)


# ---- The source, read by the definitions of its formats

def e4m3(codes):
    exponent, mantissa = (codes >> 3) & 15, codes & 7
    size = np.where(exponent == 0, mantissa * 2.0**-9, (1 + mantissa / 8) * 2.0**(exponent - 7.0))
    return np.where(codes & 128, -size, size).astype(np.float32)


def read_safetensors(folder):
    tensors = {}
    for path in sorted(folder.glob("model*.safetensors")):
        data = path.read_bytes()
        length = struct.unpack("<Q", data[:8])[0]
        for name, entry in json.loads(data[8:8 + length]).items():
            if name == "__metadata__":
                continue
            start, end = (8 + length + offset for offset in entry["data_offsets"])
            raw = data[start:end]
            match entry["dtype"]:
                case "F32": values = np.frombuffer(raw, np.float32)
                case "F16": values = np.frombuffer(raw, np.float16).astype(np.float32)
                case "BF16":
                    values = (np.frombuffer(raw, np.uint16).astype(np.uint32) << 16).view(np.float32)
                case "F8_E4M3": values = e4m3(np.frombuffer(raw, np.uint8).astype(np.int32))
            tensors[name] = values.reshape(entry["shape"])
    return tensors


def unscaled(tensors, config):
    """The same without block scales."""
    sides = config.get("quantization_config", {}).get("weight_block_size")
    plain = {}
    for name, values in tensors.items():
        if name.endswith("_scale_inv"):
            continue
        if sides and name + "_scale_inv" in tensors:
            scale = tensors[name + "_scale_inv"].repeat(sides[0], 0).repeat(sides[1], 1)
            values = values * scale[:values.shape[0], :values.shape[1]]
        plain[name] = values
    return plain


NAMES = {
    "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj", "attn_q_a": "self_attn.q_a_proj",
    "attn_q_a_norm": "self_attn.q_a_layernorm", "attn_q_b": "self_attn.q_b_proj",
    "attn_kv_a_mqa": "self_attn.kv_a_proj_with_mqa", "attn_kv_a_norm": "self_attn.kv_a_layernorm",
    "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj", "ffn_gate_inp": "mlp.gate",
    "ffn_gate_shexp": "mlp.shared_experts.gate_proj", "ffn_up_shexp": "mlp.shared_experts.up_proj",
    "ffn_down_shexp": "mlp.shared_experts.down_proj", "nextn.eh_proj": "eh_proj",
    "nextn.enorm": "enorm", "nextn.hnorm": "hnorm", "nextn.shared_head_norm": "shared_head.norm",
    "nextn.embed_tokens": "embed_tokens", "nextn.shared_head_head": "shared_head.head",
}
WHOLE = {"token_embd.weight": "model.embed_tokens.weight", "output.weight": "lm_head.weight",
         "output_norm.weight": "model.norm.weight"}


def expected(name, tensors, config):
    """What the tensor of a file must hold, and the names it is made of."""
    if name in WHOLE:
        return tensors[WHOLE[name]], [WHOLE[name]]
    _, layer, rest = name.split(".", 2)
    prefix, key = f"model.layers.{layer}.", rest.rsplit(".", 1)[0]
    if key == "exp_probs_b":
        source = prefix + "mlp.gate.e_score_correction_bias"
        return tensors[source], [source]
    if key.endswith("_exps"):
        part = key.removeprefix("ffn_").removesuffix("_exps")
        sources = [f"{prefix}mlp.experts.{expert}.{part}_proj.weight"
                   for expert in range(config["n_routed_experts"])]
        return np.stack([tensors[source] for source in sources]), sources
    if key in ("attn_k_b", "attn_v_b"):
        source = prefix + "self_attn.kv_b_proj.weight"
        heads, nope = config["num_attention_heads"], config["qk_nope_head_dim"]
        both = tensors[source].reshape(heads, nope + config["v_head_dim"], -1)
        half = both[:, :nope].transpose(0, 2, 1) if key == "attn_k_b" else both[:, nope:]
        return half, [source]
    source = f"{prefix}{NAMES[key]}.{rest.rsplit('.', 1)[1]}"
    return tensors[source], [source]


def rope_scaling(config):
    """The scaling of positions, by either of its names; empty when there is none."""
    scaling = config.get("rope_scaling") or config.get("rope_parameters") or {}
    return scaling if scaling.get("rope_type", scaling.get("type")) == "yarn" else {}


def beyond_the_format(config):
    scaling = rope_scaling(config)
    return (config.get("rope_interleave") is False
            or scaling.get("mscale") != scaling.get("mscale_all_dim"))


def naive_step(values, name):
    """The distance of levels that cover each (sub-)block, with factors of any precision."""
    length = 16 if name == "Q6_K" else 32
    blocks = values.reshape(-1, length)
    if name in ("Q4_K", "Q5_K"):
        levels = 15 if name == "Q4_K" else 31
        step = (np.maximum(blocks.max(1), 0) - np.minimum(blocks.min(1), 0)) / levels
    else:
        step = abs(blocks).max(1) / {"Q8_0": 127, "Q5_0": 16, "Q6_K": 32}[name]
    return step.repeat(length).reshape(values.shape)


class Convert(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def converted(self, source, kind):
        path = self.folder / f"{source.name}-{kind}.gguf"
        result = convert(source, path, kind)
        self.assertEqual(result.returncode, 0, result.stderr)
        return gguf.GGUFReader(path), result

    def check_values(self, values, tensor):
        """Against the error that rounding to the nearest level of a simple encoder has."""
        kind = tensor.tensor_type.name
        shape = tuple(int(side) for side in reversed(tensor.shape))
        read = gguf.dequantize(tensor.data, tensor.tensor_type).reshape(shape)
        self.assertEqual(shape, values.shape)
        error = read - values
        if kind == "F32":
            self.assertTrue(np.array_equal(read, values))
        elif kind in ("F16", "BF16"):
            bits = {"F16": 11, "BF16": 8}[kind]
            self.assertTrue((abs(error) <= abs(values) * 2.0**-bits + 2.0**-25).all())
        else:
            step = naive_step(values, kind)
            worst = 0.501 if kind == "Q8_0" else 2
            self.assertTrue((abs(error) <= worst * step + 1e-7).all())
            slack = 1 if kind in ("Q4_K", "Q5_K") else 1.15
            self.assertLessEqual(
                np.sqrt(np.mean(error**2)), slack * np.sqrt(np.mean(step**2) / 12) + 1e-9)

    def check_tensors(self, source, reader, config):
        stored = read_safetensors(source)
        tensors = unscaled(stored, config)
        used = set()
        for tensor in reader.tensors:
            with self.subTest(model=source.name, tensor=tensor.name):
                values, sources = expected(tensor.name, tensors, config)
                used.update(sources)
                self.check_values(values, tensor)
        for name in set(tensors) - used:
            with self.subTest(model=source.name, left_out=name):
                # Only copies may be left out.
                main = ("lm_head.weight" if "shared_head.head" in name
                        and not config.get("tie_word_embeddings") else "model.embed_tokens.weight")
                self.assertTrue(np.array_equal(tensors[name], tensors[main]))

    def test_demo_tensors_and_formats(self):
        config = json.loads((DEMO / "config.json").read_text())
        for kind in TYPES:
            reader, result = self.converted(DEMO, kind)
            self.check_tensors(DEMO, reader, config)
            formats = {tensor.name: tensor.tensor_type.name for tensor in reader.tensors}
            for name, stored in formats.items():
                exact = name.endswith(("norm.weight", "_inp.weight", ".bias")) or "norm" in name
                with self.subTest(kind=kind, tensor=name):
                    self.assertEqual(stored == "F32", exact)
                    if name.startswith("blk.5."):
                        self.assertIn(stored, ("F32", "F16", "BF16", "Q8_0"))
            self.assertIn(str(self.folder), result.stdout)
            for stored in set(formats.values()):
                self.assertIn(stored, result.stdout)
        # What llama-quantize picks for these shapes.
        self.assertEqual(
            {name: formats[name] for name in (
                "token_embd.weight", "blk.1.attn_q_a.weight", "blk.1.attn_q_b.weight",
                "blk.1.attn_k_b.weight", "blk.1.attn_v_b.weight", "blk.1.attn_output.weight",
                "blk.0.ffn_down.weight", "blk.1.ffn_down_exps.weight", "blk.2.ffn_down_exps.weight",
                "blk.1.ffn_up_exps.weight")},
            {"token_embd.weight": "Q6_K", "blk.1.attn_q_a.weight": "Q4_K",
             "blk.1.attn_q_b.weight": "Q5_0", "blk.1.attn_k_b.weight": "F16",
             "blk.1.attn_v_b.weight": "Q5_0", "blk.1.attn_output.weight": "Q5_K",
             "blk.0.ffn_down.weight": "Q4_K", "blk.1.ffn_down_exps.weight": "Q5_0",
             "blk.2.ffn_down_exps.weight": "Q8_0", "blk.1.ffn_up_exps.weight": "Q4_K"})

    def test_other_models(self):
        for source in [*FIXTURES.glob("parity/v*"), *FIXTURES.glob("variants/v*")]:
            config = json.loads((source / "config.json").read_text())
            if beyond_the_format(config):
                result = convert(source, self.folder / "no.gguf", "q8_0")
                self.assertIn("a GGUF file cannot say", result.stderr)
                continue
            for kind in TYPES:
                reader, result = self.converted(source, kind)
                self.check_tensors(source, reader, config)
                self.assertIn("token ids only", result.stderr)
                fields = {name: field.contents() for name, field in reader.fields.items()}
                self.assertEqual(fields["tokenizer.ggml.model"], "none")
                self.assertEqual(fields["deepseek2.vocab_size"], config["vocab_size"])
                nextn = config.get("num_nextn_predict_layers") or 0
                self.assertEqual(
                    fields["deepseek2.block_count"], config["num_hidden_layers"] + nextn)
                self.assertEqual(fields.get("deepseek2.nextn_predict_layers", 0), nextn)
                is_v3 = config["architectures"] == ["DeepseekV3ForCausalLM"]
                self.assertEqual(fields["deepseek2.expert_gating_func"], 2 if is_v3 else 1)
                if scaling := rope_scaling(config):
                    self.assertEqual(fields["deepseek2.rope.scaling.type"], "yarn")
                    for key, value in {
                            "factor": scaling["factor"],
                            "original_context_length": scaling["original_max_position_embeddings"],
                            "yarn_log_multiplier": 0.1 * scaling["mscale_all_dim"]}.items():
                        self.assertAlmostEqual(
                            fields["deepseek2.rope.scaling." + key], value, places=6)
                else:
                    self.assertNotIn("deepseek2.rope.scaling.type", fields)

    def test_demo_metadata(self):
        reader, _ = self.converted(DEMO, "q8_0")
        fields = {name: field.contents() for name, field in reader.fields.items()}
        tokenizer = json.loads((DEMO / "tokenizer.json").read_text())
        settings = json.loads((DEMO / "tokenizer_config.json").read_text())
        wanted = {
            "general.architecture": "deepseek2", "general.name": "demo", "general.file_type": 7,
            "general.quantization_version": 2, "deepseek2.block_count": 6,
            "deepseek2.context_length": 1024, "deepseek2.embedding_length": 256,
            "deepseek2.feed_forward_length": 768, "deepseek2.attention.head_count": 4,
            "deepseek2.attention.head_count_kv": 1, "deepseek2.attention.q_lora_rank": 96,
            "deepseek2.attention.kv_lora_rank": 64, "deepseek2.attention.key_length": 80,
            "deepseek2.attention.value_length": 64, "deepseek2.attention.key_length_mla": 64,
            "deepseek2.attention.value_length_mla": 64, "deepseek2.rope.dimension_count": 16,
            "deepseek2.rope.freq_base": 10000.0, "deepseek2.leading_dense_block_count": 1,
            "deepseek2.expert_count": 8, "deepseek2.expert_used_count": 2,
            "deepseek2.expert_shared_count": 1, "deepseek2.expert_feed_forward_length": 192,
            "deepseek2.expert_group_count": 4, "deepseek2.expert_group_used_count": 2,
            "deepseek2.expert_gating_func": 2, "deepseek2.expert_weights_scale": 1.5,
            "deepseek2.expert_weights_norm": True, "deepseek2.nextn_predict_layers": 1,
            "deepseek2.vocab_size": 3072, "tokenizer.ggml.model": "gpt2",
            "tokenizer.ggml.pre": "deepseek-v3", "tokenizer.ggml.bos_token_id": 0,
            "tokenizer.ggml.eos_token_id": 1, "tokenizer.ggml.eot_token_id": None,
            "tokenizer.ggml.padding_token_id": 2,
            "tokenizer.ggml.add_bos_token": True, "tokenizer.ggml.add_eos_token": False,
            "tokenizer.chat_template": settings["chat_template"],
            "tokenizer.ggml.merges": [" ".join(pair) for pair in tokenizer["model"]["merges"]]}
        self.assertEqual({key: fields.get(key) for key in wanted}, wanted)
        self.assertAlmostEqual(fields["general.sampling.temp"], 0.6, places=6)
        self.assertAlmostEqual(fields["general.sampling.top_p"], 0.9, places=6)
        self.assertAlmostEqual(fields["deepseek2.attention.layer_norm_rms_epsilon"], 1e-6, places=12)
        tokens = {index: token for token, index in tokenizer["model"]["vocab"].items()}
        tokens |= {entry["id"]: entry["content"] for entry in tokenizer["added_tokens"]}
        added = {entry["id"] for entry in tokenizer["added_tokens"]}
        self.assertEqual(
            fields["tokenizer.ggml.tokens"],
            [tokens.get(index, f"[PAD{index}]") for index in range(3072)])
        for index, kind in enumerate(fields["tokenizer.ggml.token_type"]):
            wanted = [gguf.TokenType.NORMAL]
            if index in added:
                wanted = [gguf.TokenType.CONTROL, gguf.TokenType.USER_DEFINED]
            if index not in tokens:
                wanted = [gguf.TokenType.UNUSED]
            self.assertIn(kind, wanted, tokens.get(index))

    def test_biases_ends_and_unscaled_scores(self):
        """Parts that no fixture of a model has in a form that a file can hold."""
        source = self.folder / "source"
        shutil.copytree(FIXTURES / "variants" / "v3_odd", source)
        config = json.loads((source / "config.json").read_text()) | {
            "rope_interleave": True, "eos_token_id": [5, 1, 7, 9],
            "rope_parameters": {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0,
                                "original_max_position_embeddings": 128, "attention_factor": 1.0}}
        (source / "config.json").write_text(json.dumps(config))
        for kind in TYPES:
            reader, _ = self.converted(source, kind)
            self.check_tensors(source, reader, config)
            fields = {name: field.contents() for name, field in reader.fields.items()}
            for name, token in {"bos": 0, "eos": 5, "eot": 1, "eom": 7}.items():
                self.assertEqual(fields[f"tokenizer.ggml.{name}_token_id"], token)
            self.assertEqual(fields["deepseek2.rope.scaling.factor"], 4.0)
            self.assertNotIn("deepseek2.rope.scaling.yarn_log_multiplier", fields)
        self.assertTrue(any(tensor.name.endswith("attn_output.bias") for tensor in reader.tensors))

    def test_threads_change_nothing(self):
        files = []
        for threads in (1, 2, 5):
            path = self.folder / f"{threads}.gguf"
            convert(DEMO, path, "q4_k_m", "--threads", str(threads))
            files.append(path.read_bytes())
        self.assertEqual(len(set(files)), 1)


class Refusals(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.output = self.folder / "out" / "model.gguf"
        self.output.parent.mkdir()

    def refused(self, result, *words):
        self.assertNotEqual(result.returncode, 0)
        self.assertGreater(result.returncode, 0, "killed by a signal")
        for word in words:
            self.assertIn(word, result.stderr)

    def leaves_nothing(self):
        self.assertEqual(list(self.output.parent.iterdir()), [])

    def test_existing_output(self):
        self.output.write_text("precious")
        self.refused(convert(DEMO, self.output, "q8_0"), "exists", "--force")
        self.assertEqual(self.output.read_text(), "precious")
        self.assertEqual(convert(DEMO, self.output, "q8_0", "--force").returncode, 0)
        self.assertEqual(self.output.read_bytes()[:4], b"GGUF")
        self.assertEqual([path.name for path in self.output.parent.iterdir()], ["model.gguf"])

    def test_full_disk(self):
        def limit():
            # Without the signal a write beyond the limit fails as it does on a full disk.
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        self.refused(
            convert(DEMO, self.output, "q8_0", preexec_fn=limit, restore_signals=False),
            "model.gguf", "File too large")
        self.leaves_nothing()
        # The program sees to that itself.
        self.refused(
            convert(DEMO, self.output, "q8_0", preexec_fn=lambda: resource.setrlimit(
                resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))), "File too large")
        self.refused(convert(DEMO, self.folder / "no" / "model.gguf", "q8_0"), "No such file")

    def edited(self, edit):
        """A copy of a fixture with `edit` applied to its header and data."""
        copy = self.folder / "copy"
        shutil.copytree(FIXTURES / "parity" / "v3_mtp", copy)
        path = copy / "model.safetensors"
        data = bytearray(path.read_bytes())
        length = struct.unpack("<Q", data[:8])[0]
        edit(json.loads(data[8:8 + length]), 8 + length, data)
        path.write_bytes(data)
        return copy

    def test_values_that_no_format_has(self):
        name = "model.layers.1.mlp.experts.2.up_proj.weight"
        for value, kinds in ((np.nan, TYPES), (-np.inf, TYPES), (3e38, ["q8_0", "q4_k_m"])):
            def edit(header, start, data):
                at = start + header[name]["data_offsets"][0]
                wide = header[name]["dtype"] == "F32"
                bits = struct.pack("<f", value)
                data[at:at + (4 if wide else 2)] = bits if wide else bits[2:]
            shutil.rmtree(self.folder / "copy", ignore_errors=True)
            source = self.edited(edit)
            for kind in kinds:
                with self.subTest(value=value, kind=kind):
                    self.refused(
                        convert(source, self.output, kind), "blk.1.ffn_up_exps.weight", "row")
                    self.leaves_nothing()

    def test_what_a_file_cannot_say(self):
        for key, value in {
                "rope_interleave": False, "rope_scaling": {"type": "yarn", "factor": 4, "mscale": 1.0, "mscale_all_dim": 0.5,
                    "original_max_position_embeddings": 64}}.items():
            shutil.rmtree(self.folder / "copy", ignore_errors=True)
            shutil.copytree(DEMO, self.folder / "copy")
            path = self.folder / "copy" / "config.json"
            path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
            with self.subTest(key=key):
                self.refused(
                    convert(self.folder / "copy", self.output, "q8_0"), key, "cannot say")
                self.leaves_nothing()

    def test_unknown_pre_tokenizer(self):
        shutil.copytree(DEMO, self.folder / "copy")
        path = self.folder / "copy" / "tokenizer.json"
        tokenizer = json.loads(path.read_text())
        tokenizer["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = r"\p{N}{1,2}"
        path.write_text(json.dumps(tokenizer))
        self.refused(convert(self.folder / "copy", self.output, "q8_0"), "pre_tokenizer")
        self.leaves_nothing()

    def test_what_is_no_place_for_a_file(self):
        folder = self.folder / "folder"
        folder.mkdir()
        self.refused(convert(DEMO, folder, "q8_0", "--force"), "is a directory")
        pipe = self.folder / "pipe"
        os.mkfifo(pipe)
        self.refused(convert(DEMO, pipe, "q8_0", "--force"), "not a regular file")
        self.assertTrue(pipe.is_fifo())
        self.refused(convert(DEMO, f"{self.folder}/new/", "q8_0"), "new/")
        self.refused(convert(DEMO, "", "q8_0"), "--output")

    def test_killed(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            process = subprocess.Popen(
                [os.environ["HADAL"], "convert", "--input", DEMO, "--output", self.output,
                 "--type", "q4_k_m", "--threads", "1"], stderr=subprocess.PIPE)
            with process:
                process.stderr.readline()
                process.send_signal(number)
                process.stderr.read()
            # It may have been faster.
            if process.returncode == 0:
                self.output.unlink()
            else:
                self.assertEqual(process.returncode, -number)
            self.leaves_nothing()

    def test_input_that_is_converted_already(self):
        convert(DEMO, self.output, "q8_0")
        self.refused(convert(self.output, self.folder / "again.gguf", "bf16"), "GGUF file")

    def test_arguments(self):
        self.refused(convert(self.folder, self.output, "q8_0"), "config.json")
        self.refused(convert(DEMO, self.output, "q3_k"), "q4_k_m")
        self.refused(convert(DEMO, self.output, "q8_0", "--threads", "0"), "--threads")


if __name__ == "__main__":
    unittest.main()
