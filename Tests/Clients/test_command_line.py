"""The commands of the program, as a shell would call them.

    HADAL=.build/release/hadal python -m unittest discover -s Tests/Clients
"""

import json
import os
import pathlib
import shutil
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


class Inspect(unittest.TestCase):
    def test_plan_adds_up(self):
        memory = json.loads(hadal("inspect", "--json").stdout)["memory"]
        parts = [memory[name + "_bytes"] for name in ("weights", "latents", "scratch")]
        self.assertEqual(memory["total_bytes"], sum(parts))
        pool = memory["kv_tokens"] * memory["latent_bytes_per_token"]
        self.assertEqual(memory["latents_bytes"], pool)
        self.assertTrue(memory["fits"])


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
