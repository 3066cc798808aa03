"""`hadal bench`: what scripts rely on in its output, and what it refuses.

    HADAL=.build/release/hadal python -m unittest discover -s Tests/Clients
"""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

PARITY = pathlib.Path(__file__).parent.parent / "Fixtures" / "parity"


def hadal_bench(*arguments):
    return subprocess.run(
        [os.environ["HADAL"], "bench", *map(str, arguments)], capture_output=True, text=True,
        timeout=300)


def rows(*arguments):
    result = hadal_bench("--json", *arguments)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


class Output(unittest.TestCase):
    def test_every_combination_with_every_repetition(self):
        found = rows("--prompt", "20,40", "--generate", "8", "--depth", "0,70", "--batch", "1,3",
                     "--repetitions", 2, "--threads", 1)
        tests = [(row["depth"], row["batch"], row["test"], row["tokens"]) for row in found]
        self.assertEqual(tests, [
            (depth, batch, test, tokens) for depth in (0, 70) for batch in (1, 3)
            for test, tokens in (("prompt", 20), ("prompt", 40), ("generate", 8))])
        for row in found:
            self.assertEqual(len(row["tokens_per_second"]), 2)
            self.assertTrue(all(rate > 0 for rate in row["tokens_per_second"]))
            self.assertEqual((row["mtp"], row["threads"]), ("auto", 1))
            self.assertNotIn("ratio_to_off", row)

    def test_speculation_side_by_side(self):
        tokens, batch, repetitions = 24, 3, 2
        found = {row["mtp"]: row for row in rows(
            "--prompt", 0, "--generate", tokens, "--batch", batch, "--mtp", "off,2",
            "--repetitions", repetitions)}
        self.assertEqual(list(found), ["off", "2"])
        self.assertEqual(found["off"]["ratio_to_off"], [1, 1])
        plain, fixed = (found[mtp]["tokens_per_second"] for mtp in ("off", "2"))
        for ratio, a, b in zip(found["2"]["ratio_to_off"], fixed, plain, strict=True):
            self.assertAlmostEqual(ratio, a / b)
        # An answer has one token before its first step, and one more than counted in a batch.
        computed = sum(cost["rows"] * cost["steps"] for cost in found["off"]["step_costs"])
        self.assertEqual(computed, batch * (tokens + 1) * repetitions)
        self.assertEqual(found["off"]["acceptance"], [])
        acceptance = found["2"]["acceptance"]
        self.assertEqual([position["position"] for position in acceptance], [1, 2])
        for position in acceptance:
            self.assertLessEqual(0, position["accepted"])
            self.assertLessEqual(position["accepted"], position["drafted"])
        # Every step brings a stream one token and its accepted drafts.
        steps = computed - sum(position["accepted"] for position in acceptance)
        self.assertLessEqual(acceptance[0]["drafted"], steps)

    def test_table(self):
        result = hadal_bench("--prompt", 16, "--generate", 16, "--mtp", "auto,off",
                             "--repetitions", 1)
        lines = result.stdout.splitlines()
        self.assertIn("tokens/s", lines[0])
        for test in ("prompt 16", "generate 16"):
            self.assertEqual(sum(line.startswith(test) for line in lines), 2)
        self.assertIn("to off", result.stdout)
        self.assertIn("step cost by rows", result.stdout)

    def test_prompts_from_a_text(self):
        with tempfile.TemporaryDirectory() as folder:
            text = pathlib.Path(folder) / "story.txt"
            text.write_text("Once upon a time there was a little fish. " * 9)
            found = rows("--text", text, "--prompt", 300, "--generate", 4, "--repetitions", 1)
            self.assertEqual([row["test"] for row in found], ["prompt", "generate"])
            text.write_text("")
            self.assertIn("empty", hadal_bench("--text", text).stderr)


class Refusals(unittest.TestCase):
    def expect(self, words, *arguments):
        result = hadal_bench("--json", *arguments)
        self.assertGreater(result.returncode, 0)
        self.assertEqual(result.stdout, "")
        for word in words:
            self.assertIn(word, result.stderr)

    def test_what_cannot_be(self):
        self.expect(["prompt 16, depth 1024", "context"], "--prompt", 16, "--depth", "0,1024")
        self.expect(["generate 64", "batch 4", "--kv-tokens"], "--prompt", 0, "--batch", "1,4",
                    "--kv-tokens", 512)
        self.expect(["does not fit"], "--kv-tokens", 1 << 32)
        self.expect(["tokenizer.json"], "--model", PARITY / "v3_mtp", "--prompt", 8,
                    "--generate", 8, "--text", "/dev/null")
        self.expect(["measure"], "--prompt", 0, "--generate", 0)
        for name, value in [("--prompt", "1,x"), ("--batch", "0"), ("--batch", "2,2"),
                            ("--depth", "-1"), ("--mtp", "off,9"), ("--repetitions", "0"),
                            ("--temperature", "3")]:
            self.expect([name], f"{name}={value}")


if __name__ == "__main__":
    unittest.main()
