"""The commands of the program, as a shell would call them.

    HADAL=.build/release/hadal python -m unittest discover -s Tests/Clients
"""

import json
import math
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import tempfile
import unittest

PARITY = pathlib.Path(__file__).parent.parent / "Fixtures" / "parity"
CASES = ["v2_greedy_lite", "v3_fp8_block", "v3_full_sharded", "v3_mtp"]


def hadal(*arguments):
    return subprocess.run(
        [os.environ["HADAL"], *map(str, arguments)], capture_output=True, text=True, timeout=300)


class Generate(unittest.TestCase):
    def test_recorded_continuations(self):
        for name in CASES:
            case = json.loads((PARITY / name / "case.json").read_text())
            prompt = ",".join(map(str, case["prompt"]))
            for chunk in (1, 7, 64, 512):
                with self.subTest(name=name, chunk=chunk):
                    result = hadal(
                        "generate", "--model", PARITY / name, "--prompt-tokens", prompt,
                        "--max-tokens", 32, "--temperature", 0, "--ignore-eos", "--json",
                        "--precision", "reference", "--prefill-chunk", chunk)
                    answer = json.loads(result.stdout)
                    self.assertEqual(answer["token_ids"], case["continuation"])
                    self.assertEqual(answer["prompt_token_ids"], case["prompt"])
                    self.assertEqual(answer["finish_reason"], "length")

    def test_seed_decides(self):
        arguments = ["generate", "--prompt", "Once upon a time", "--max-tokens", 40, "--seed"]
        first, again, other = (hadal(*arguments, seed).stdout for seed in (1, 1, 2))
        self.assertEqual(first, again)
        self.assertNotEqual(first, other)

    def test_threads_and_chunks_change_nothing(self):
        arguments = ["generate", "--prompt", "One day, " * 40, "--max-tokens", 60, "--seed", 3]
        outputs = {
            hadal(*arguments, "--threads", threads, "--prefill-chunk", chunk).stdout
            for threads in (1, 2, 3) for chunk in (16, 512)
        }
        for mtp in ("auto", "off", 1, 8):
            outputs.add(hadal(
                *arguments, "--mtp", mtp, "--target-step-ms", 2.5, "--no-prefix-cache").stdout)
        self.assertEqual(len(outputs), 1)


def write_model_with_v3_latents(folder):
    """A model with the layers and latents of DeepSeek-V3, everything else small and zero."""
    hidden, heads, rank, rope, nope, value, wide, experts = 64, 2, 512, 64, 16, 16, 32, 4
    config = json.loads((PARITY / "v3_mtp" / "config.json").read_text()) | {
        "hidden_size": hidden, "num_attention_heads": heads, "num_key_value_heads": heads,
        "num_hidden_layers": 61, "first_k_dense_replace": 3, "num_nextn_predict_layers": 1,
        "kv_lora_rank": rank, "qk_rope_head_dim": rope, "qk_nope_head_dim": nope,
        "v_head_dim": value, "q_lora_rank": None, "intermediate_size": wide,
        "moe_intermediate_size": wide, "n_routed_experts": experts, "n_shared_experts": 1,
        "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1}
    words = config["vocab_size"]
    shapes = {"model.embed_tokens.weight": [words, hidden], "model.norm.weight": [hidden],
              "lm_head.weight": [words, hidden]}

    def unit(prefix):
        shapes[prefix + "gate_proj.weight"] = shapes[prefix + "up_proj.weight"] = [wide, hidden]
        shapes[prefix + "down_proj.weight"] = [hidden, wide]

    for index in range(62):
        layer = f"model.layers.{index}."
        attention = layer + "self_attn."
        shapes |= {
            layer + "input_layernorm.weight": [hidden],
            layer + "post_attention_layernorm.weight": [hidden],
            attention + "q_proj.weight": [heads * (nope + rope), hidden],
            attention + "kv_a_proj_with_mqa.weight": [rank + rope, hidden],
            attention + "kv_a_layernorm.weight": [rank],
            attention + "kv_b_proj.weight": [heads * (nope + value), rank],
            attention + "o_proj.weight": [hidden, heads * value]}
        if index < 3:
            unit(layer + "mlp.")
            continue
        shapes[layer + "mlp.gate.weight"] = [experts, hidden]
        shapes[layer + "mlp.gate.e_score_correction_bias"] = [experts]
        for expert in range(experts):
            unit(f"{layer}mlp.experts.{expert}.")
        unit(layer + "mlp.shared_experts.")
    shapes |= {layer + "enorm.weight": [hidden], layer + "hnorm.weight": [hidden],
               layer + "eh_proj.weight": [hidden, 2 * hidden],
               layer + "shared_head.norm.weight": [hidden]}
    header, end = {}, 0
    for name, shape in shapes.items():
        begin, end = end, end + 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    (folder / "config.json").write_text(json.dumps(config))
    with open(folder / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)


class Inspect(unittest.TestCase):
    def test_what_the_model_is(self):
        model = json.loads(hadal("inspect", "--json", "--model", PARITY / "v3_fp8_block").stdout)
        header = (PARITY / "v3_fp8_block" / "model.safetensors").read_bytes()
        tensors = json.loads(header[8:8 + struct.unpack("<Q", header[:8])[0]])
        tensors.pop("__metadata__", None)
        self.assertEqual(model["model"], {
            "name": "v3_fp8_block", "path": str(PARITY / "v3_fp8_block"),
            "parameters": sum(math.prod(tensor["shape"]) for name, tensor in tensors.items()
                              if not name.endswith("_scale_inv")),
            "file_bytes": len(header)})

    def test_what_files_say_does_not_move_the_cursor(self):
        with tempfile.NamedTemporaryFile(suffix=".gguf") as file:
            key, value = b"general.architecture", b"\x1b[2Jdeep\nseek\xc2\x9b"
            file.write(b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, len(key)) + key
                       + struct.pack("<IQ", 8, len(value)) + value)
            file.flush()
            result = hadal("inspect", "--model", file.name)
            self.assertIn(r"\u{1b}[2Jdeep\u{a}seek\u{9b}", result.stderr)

    def test_plan_adds_up(self):
        memory = json.loads(hadal("inspect", "--json").stdout)["memory"]
        parts = [memory[name + "_bytes"] for name in ("weights", "latents", "scratch")]
        self.assertEqual(memory["total_bytes"], sum(parts))
        pages = memory["kv_tokens"] // 64
        self.assertEqual(memory["latents_bytes"], pages * memory["bytes_per_page"])
        self.assertTrue(memory["fits"])

    def test_options_change_the_plan(self):
        def scratch(*options):
            return json.loads(hadal("inspect", "--json", *options).stdout)["memory"]["scratch_bytes"]

        self.assertLess(scratch("--mtp", "off"), scratch("--mtp", "auto"))
        self.assertLess(scratch("--mtp", 1), scratch("--mtp", 8))
        self.assertLess(scratch("--mtp", "off"), scratch("--mtp", "off", "--max-sequences", 64))

    def test_latents_of_deepseek_v3(self):
        with tempfile.TemporaryDirectory() as folder:
            write_model_with_v3_latents(pathlib.Path(folder))
            options = ["inspect", "--model", folder, "--kv-tokens", 128]
            memory = json.loads(hadal(*options, "--json").stdout)["memory"]
            self.assertEqual(memory["latent_bytes_per_token"], 70_272)
            self.assertEqual(memory["mtp_latent_bytes_per_token"], 576 * 2)
            # A page keeps a hidden state in float32 for the MTP module.
            self.assertEqual(memory["bytes_per_page"], 64 * 62 * 576 * 2 + 64 * 4)
            self.assertEqual(memory["latents_bytes"], 2 * memory["bytes_per_page"])
            self.assertRegex(hadal(*options).stdout, r"latent_bytes_per_token +70272\n")


class Profile(unittest.TestCase):
    def profile(self, text, *options):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(text)
            file.flush()
            result = hadal("inspect", "--profile", file.name, *options)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def test_loads_add_up(self):
        text = "Once upon a time there was a small bird. " * 200
        for chunk, tokens_per_pass in (512, 512), (1, 1), (100, 100), (2000, 1024):
            with self.subTest(chunk=chunk):
                report = json.loads(self.profile(text, "--json", "--prefill-chunk", chunk))
                profile, plan = report["profile"], report["architecture"]
                self.assertGreater(profile["text_tokens"], 1024)
                self.assertEqual(profile["tokens"], report["memory"]["context_length"])
                self.assertEqual(profile["tokens_per_pass"], tokens_per_pass)
                self.assertEqual([layer["layer"] for layer in profile["layers"]], [1, 2, 3, 4, 5])
                for layer in profile["layers"]:
                    # The MTP module's first row is that of the second token.
                    self.assertEqual(layer["is_mtp"], layer["layer"] == plan["layers"])
                    self.assertEqual(layer["tokens"], 1023 if layer["is_mtp"] else 1024)
                    shares = layer["shares"]
                    self.assertEqual(len(shares), plan["routed_experts"])
                    self.assertAlmostEqual(sum(shares), 1)
                    self.assertEqual(layer["busiest_share"], max(shares))
                    self.assertEqual(shares[layer["busiest_expert"]], max(shares))
                    self.assertAlmostEqual(layer["max_over_mean"], max(shares) * len(shares))
                    if chunk == 1:
                        self.assertEqual(layer["experts_per_pass"], plan["experts_per_token"])
                if chunk == 512:
                    whole = profile["layers"]
                self.assertEqual(
                    [layer["shares"] for layer in profile["layers"]],
                    [layer["shares"] for layer in whole])

    def test_table(self):
        lines = self.profile("A short text.").splitlines()
        title = next(n for n, line in enumerate(lines) if line.startswith("profile of "))
        self.assertEqual(len(lines) - title, 2 + 5)
        self.assertIn("max/mean", lines[title + 1])
        self.assertRegex(lines[-1], r"^  5 MTP .*%\)$")
        self.assertIn("5 MTP", self.profile("some more", "--mtp", "off"))

    def test_what_cannot_be_profiled(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "text"

            def refuse(word, *options):
                result = hadal("inspect", "--profile", file, *options)
                self.assertGreater(result.returncode, 0)
                self.assertIn(word, result.stderr)

            refuse(str(file))
            file.mkdir()
            refuse(str(file))
            file.rmdir()
            file.write_bytes(b"")
            refuse("is empty")
            file.write_bytes(b"good \xff bad")
            refuse("not UTF-8")
            file.write_text("good")
            refuse("tokenizer.json", "--model", PARITY / "v3_mtp")


class Streams(unittest.TestCase):
    def run_into(self, output, *arguments):
        return subprocess.run(
            [os.environ["HADAL"], *arguments], stdout=output, stderr=subprocess.PIPE, text=True,
            timeout=300)

    def test_output_that_is_lost(self):
        for arguments in (["inspect"], ["inspect", "--json"],
                          ["generate", "--prompt", "Hi", "--max-tokens", "3"]):
            with open("/dev/full", "w") as full:
                result = self.run_into(full, *arguments)
            self.assertEqual(result.returncode, 1)
            self.assertIn("standard output: write: No space left on device", result.stderr)

    def test_output_that_is_closed(self):
        def close():
            os.close(0)
            os.close(1)

        result = subprocess.run(
            [os.environ["HADAL"], "inspect"], preexec_fn=close, stderr=subprocess.PIPE, text=True,
            timeout=300)
        self.assertEqual(result.returncode, 1)
        self.assertIn("standard output: write: Bad file descriptor", result.stderr)
        # A server has its log.
        with subprocess.Popen(
                [os.environ["HADAL"], "serve", "--port", "0"], preexec_fn=close,
                stderr=subprocess.PIPE, text=True) as process:
            self.assertTrue(any(" ready " in line for line in process.stderr))
            process.terminate()
            process.stderr.read()
        self.assertEqual(process.returncode, 0)

    def test_reader_that_leaves(self):
        read, write = os.pipe()
        with subprocess.Popen(
                [os.environ["HADAL"], "generate", "--prompt", "Hi", "--max-tokens", "900",
                 "--ignore-eos"], stdout=write, stderr=subprocess.PIPE, text=True) as process:
            os.close(write)
            os.read(read, 1)
            os.close(read)
            self.assertEqual(process.stderr.read(), "")
        self.assertEqual(process.returncode, -signal.SIGPIPE)


class Refusals(unittest.TestCase):
    def expect(self, words, *arguments):
        result = hadal(*arguments)
        self.assertGreater(result.returncode, 0)
        for word in words:
            self.assertIn(word, result.stderr)

    def test_what_cannot_be(self):
        token_model = PARITY / "v3_mtp"
        self.expect(["/nowhere/config.json"], "inspect", "--model", "/nowhere")
        self.expect(["tokenizer.json", "--prompt-tokens"], "generate", "--model", token_model,
                    "--prompt", "Hi")
        self.expect(["512"], "generate", "--model", token_model, "--prompt-tokens", "1,512")
        self.expect(["does not fit", "latents", "--kv-tokens"], "generate", "--prompt", "Hi",
                    "--kv-tokens", 1 << 32)
        self.expect(["--threads"], "generate", "--prompt", "Hi", "--threads", 0)
        for depth in ("0", "9", "on", "-1", "1.5"):
            self.expect(["--mtp", "1-8"], "generate", "--prompt", "Hi", "--mtp=" + depth)
        for time in ("0", "0.99", "10000.5", "nan", "-inf", "soon"):
            self.expect(["--target-step-ms"], "generate", "--prompt", "Hi",
                        "--target-step-ms=" + time)
        self.expect(["--mtp 2", "num_nextn_predict_layers"], "generate", "--model",
                    PARITY / "v2_greedy_lite", "--prompt-tokens", "1", "--mtp", 2)
        self.expect(["either"], "generate")
        self.expect(["--model"], "inspect", "--model", "")
        for option in (["--target-step-ms", 50], ["--save-packed"], ["--no-prefix-cache"]):
            self.expect([option[0]], "inspect", *option)

    def test_what_is_no_model(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "blob"
            self.expect([str(path)], "inspect", "--model", path)
            path.write_bytes(b"GG")
            self.expect(["blob", "ends inside its header"], "inspect", "--model", path)
            path.write_text("something else")
            self.expect(["blob", "no GGUF file"], "inspect", "--model", path)
            path.unlink()
            os.mkfifo(path)
            self.expect([str(path), "not a regular file"], "inspect", "--model", path)
            self.expect([str(path), "config.json"], "inspect", "--model", f"{path}s/")
            path = pathlib.Path(folder) / "directory.gguf"
            path.mkdir()
            self.expect([str(path), "config.json"], "inspect", "--model", path)
            path = os.fsencode(folder) + b"/caf\xe9"
            result = subprocess.run(
                [os.environ["HADAL"], "inspect", "--model", path], capture_output=True, timeout=300)
            self.assertEqual(result.returncode, 64)
            self.assertIn(b"not UTF-8", result.stderr)

    def test_a_gguf_file_by_any_name(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "blob"
            self.assertEqual(hadal(
                "convert", "--input", PARITY / "v3_mtp", "--output", path, "--type", "bf16",
            ).returncode, 0)
            self.assertEqual(
                json.loads(hadal("inspect", "--json", "--model", path).stdout)["architecture"],
                json.loads(hadal("inspect", "--json", "--model", PARITY / "v3_mtp").stdout)
                ["architecture"])

    def test_damaged_checkpoints(self):
        with tempfile.TemporaryDirectory() as folder:
            model = pathlib.Path(folder) / "model"
            shutil.copytree(PARITY / "v3_mtp", model)
            weights = model / "model.safetensors"
            whole = weights.read_bytes()
            weights.write_bytes(whole[:100_000])
            self.expect(["model.safetensors"], "inspect", "--model", model)
            weights.write_bytes(b"\xff" * 8 + whole[8:])
            self.expect(["model.safetensors"], "inspect", "--model", model)
            weights.write_bytes(whole)
            config = json.loads((model / "config.json").read_text())
            (model / "config.json").write_text(json.dumps(config | {"scoring_func": "tanh"}))
            self.expect(["scoring_func", "tanh"], "inspect", "--model", model)
            (model / "config.json").write_text(json.dumps(config | {"flux": 1}))
            self.expect(["flux"], "inspect", "--model", model)


if __name__ == "__main__":
    unittest.main()
