"""The layers of the configuration, as `hadal serve --print-config` shows them to an operator.

PyYAML reads what the program writes, and writes what it reads.
"""

import json
import os
import pathlib
import random
import re
import subprocess
import tempfile
import unittest

import yaml

from server import start

CONFIG = pathlib.Path(__file__).parent.parent.parent / "Config"


def hadal(*arguments, **variables):
    return subprocess.run(
        [os.environ["HADAL"], *map(str, arguments)], capture_output=True, text=True, timeout=300,
        env=os.environ | variables)


class ConfigurationTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / "hadal.yaml"

    def write(self, content):
        self.path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))

    def effective(self, *arguments, **variables):
        """Values in force, and the origin of each."""
        result = hadal("serve", "--print-config", *arguments, **variables)
        self.assertEqual(result.returncode, 0, result.stderr)
        origins = dict(re.findall(r"^([a-z0-9-]+): .*  # (.*)$", result.stdout, re.MULTILINE))
        values = yaml.safe_load(result.stdout)
        self.assertEqual(values.keys(), origins.keys())
        return values, origins

    def refuse(self, words, *arguments, **variables):
        result = hadal("serve", "--print-config", *arguments, **variables)
        self.assertEqual(result.returncode, 64, result.stdout)
        for word in words:
            self.assertIn(word, result.stderr)


class Layers(ConfigurationTest):
    def test_every_option_is_a_key(self):
        usage = hadal("serve", "--help").stdout
        options = set(re.findall(r"^  (?:-\w, )?--([a-z0-9-]+)", usage, re.MULTILINE))
        values, origins = self.effective()
        self.assertEqual(values.keys(), options - {"help", "version", "config", "print-config"})
        self.assertEqual(set(origins.values()), {"default"})
        self.assertEqual(values["host"], "127.0.0.1")
        self.assertEqual(values["port"], 8080)
        self.assertIs(values["save-packed"], False)
        self.assertIsNone(values["kv-tokens"])

    def test_flags_before_environment_before_file(self):
        self.write({"port": 1, "threads": 1, "kv-tokens": 64, "no-prefix-cache": True})
        values, origins = self.effective(
            "--config", self.path, "--port", 3, "--save-packed", HADAL_PORT="2", HADAL_THREADS="2",
            HADAL_NO_PREFIX_CACHE="0", HADAL_MTP="off", HADAL_MODEL="")
        expected = {
            "port": (3, "flag"), "save-packed": (True, "flag"),
            "threads": (2, "environment HADAL_THREADS"), "mtp": ("off", "environment HADAL_MTP"),
            "no-prefix-cache": (False, "environment HADAL_NO_PREFIX_CACHE"),
            "kv-tokens": (64, f"{self.path}:1"), "model": (None, "default"),
            "max-sequences": (8, "default")}
        for key, (value, origin) in expected.items():
            with self.subTest(key=key):
                self.assertEqual((values[key], origins[key]), (value, origin))

    def test_the_environment_names_the_file(self):
        self.write("# empty but for this\n\nthreads:\nport: 9\n")
        values, origins = self.effective(HADAL_CONFIG=str(self.path))
        self.assertEqual((values["port"], origins["port"]), (9, f"{self.path}:4"))
        self.assertEqual((values["threads"], origins["threads"]), (None, "default"))
        self.write("")
        self.assertEqual(self.effective("--config", self.path)[0]["port"], 8080)

    def test_what_is_printed_can_be_fed_back(self):
        seed = random.randrange(1 << 32)
        draw = random.Random(seed)
        letters = "aZ09 .-_/:#'\"\\,[]{}&*!|>%@`~=\té\u00a0\u2028\ud7ff\U0001f426"
        for _ in range(50):
            text = "".join(draw.choices(letters, k=draw.randrange(1, 12)))
            with self.subTest(seed=seed, text=text):
                self.write({"served-model-name": text, "port": draw.randrange(65536)})
                values, _ = self.effective("--config", self.path)
                self.assertEqual(str(values["served-model-name"]), text)
                self.write(hadal("serve", "--print-config", "--config", self.path).stdout)
                self.assertEqual(self.effective("--config", self.path)[0], values)

    def test_other_commands_share_the_model_options(self):
        self.write({"kv-tokens": 128, "port": 99, "drain-seconds": 1})

        def plan(*arguments, **variables):
            result = hadal("inspect", "--json", *arguments, **variables)
            self.assertEqual(result.returncode, 0, result.stderr)
            return json.loads(result.stdout)["memory"]["kv_tokens"]

        self.assertEqual(plan("--config", self.path), 128)
        self.assertEqual(plan("--config", self.path, HADAL_KV_TOKENS="192"), 192)
        self.assertEqual(plan("--config", self.path, "--kv-tokens=256", HADAL_KV_TOKENS="1"), 256)

    def test_serving(self):
        self.write({"port": 0, "served-model-name": "filed"})
        server = start(self, "--config", self.path, port=None)
        self.assertEqual(server.model, "filed")
        self.assertEqual(server.stop(), 0)


class Refusals(ConfigurationTest):
    def test_unknown_names(self):
        for key, meant in ("kv_tokens", "kv-tokens"), ("prot", "port"), ("Host", "host"):
            self.write(f"# a comment\n{key}: 1\n")
            self.refuse([f"{self.path}:2:", f"'{key}'", f"'{meant}'"], "--config", self.path)
        self.refuse(["HADAL_KV_TOKEN;", "HADAL_KV_TOKENS?"], HADAL_KV_TOKEN="4711")
        self.refuse(["HADAL_PROT;", "HADAL_PORT?"], HADAL_PROT="1")
        self.write("config: other.yaml")
        self.refuse([f"{self.path}:1:", "'config'"], "--config", self.path)

    def test_values_of_another_type(self):
        for text, words in {
                "port: eighty": ["port", "eighty"], "port: 65536": ["port", "65536"],
                "port: [80]": ["port", "list"], "port: {a: 1}": ["port", "one level"],
                "save-packed: 1": ["save-packed", "true or false"],
                "mtp: 9": ["mtp"], "threads: 0": ["--threads 0"]}.items():
            self.write("# a comment\n\n" + text)
            self.refuse([f"{self.path}:3:", *words], "--config", self.path)
        self.refuse(["HADAL_PORT", "eighty"], HADAL_PORT="eighty")
        self.refuse(["HADAL_SAVE_PACKED", "true or false"], HADAL_SAVE_PACKED="maybe")

    def test_values_that_exclude_each_other(self):
        self.write("port: 1\nkv-type: q8\n")
        self.refuse(
            [f"{self.path}:2", "HADAL_PRECISION", "--precision reference"], "--config", self.path,
            HADAL_PRECISION="reference", HADAL_THREADS="1")
        # The flags alone are at fault: no origin is named.
        result = hadal("serve", "--port", "x", "--config", self.path)
        self.assertNotIn(str(self.path), result.stderr)

    def test_what_is_no_configuration(self):
        for text, words in {
                "port: 1\nport: 2": [":1:", "twice", "port"], "- port": [":1:", "keys"],
                "port": [":1:"], "a: b: c": [":1:"], "port: \"1": [":1:"], "port: *x": [":1:"],
                "port: \x01": ["control"], "[[": [], "? [a]\n: b": ["a key must be"],
                "port: 1\n---\nport: 2": ["another document"],
                "[" * 5000: [], "a: " * 5000: []}.items():
            with self.subTest(text=text[:20]):
                self.write(text)
                self.refuse([str(self.path), *words], "--config", self.path)
        self.path.write_bytes(b"port: \xff")
        self.refuse(["not UTF-8"], "--config", self.path)
        for path in "/nowhere", self.path.parent:
            result = hadal("serve", "--config", path)
            self.assertGreater(result.returncode, 0)
            self.assertIn(str(path), result.stderr)

    def test_secrets_are_not_printed(self):
        secret = "sk-b0a3c9"
        self.assertNotIn(secret, str(self.effective(HADAL_API_KEYS=secret)))
        results = [
            hadal("serve", "--print-config", HADAL_API_KEY=secret),
            hadal("serve", "--print-config", HADAL_SECRET=secret)]
        for text in (
                f"api-key: {secret}", f"secret: {secret}", f"port: 1\nkey: \"{secret}\nmore",
                f"port: [{secret}"):
            self.write(text)
            results.append(hadal("serve", "--print-config", "--config", self.path))
        for result in results:
            self.assertNotIn(secret, result.stderr + result.stdout)

    def test_help_needs_no_configuration(self):
        result = hadal("serve", "--config", "/nowhere", "--help", HADAL_PORT="x")
        self.assertEqual(result.returncode, 0)
        self.assertIn("--kv-tokens", result.stdout)


class Deployments(ConfigurationTest):
    def test_every_file_loads(self):
        files = sorted(CONFIG.glob("*.yaml"))
        self.assertEqual(
            [file.stem for file in files], ["container", "demo", "laptop", "server"])
        for file in files:
            with self.subTest(file=file.name):
                values, origins = self.effective("--config", file)
                expected = yaml.load(file.read_text(), yaml.BaseLoader)
                for key, value in expected.items():
                    self.assertTrue(origins[key].startswith(f"{file}:"), key)
                    self.assertEqual(str(values[key]).lower(), value.lower())


if __name__ == "__main__":
    unittest.main()
