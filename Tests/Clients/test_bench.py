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
                     "--repetitions", 2, "--threads", 1, "--no-limits")
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
            "--repetitions", repetitions, "--no-limits")}
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
                             "--repetitions", 1, "--no-limits")
        lines = result.stdout.splitlines()
        self.assertIn("tokens/s", lines[0])
        for test in ("prompt 16", "generate 16"):
            self.assertEqual(sum(line.startswith(test) for line in lines), 2)
        self.assertIn("to off", result.stdout)
        self.assertIn("step cost by rows", result.stdout)

    def test_achieved_figures(self):
        found = {row["test"]: row for row in rows(
            "--prompt", 32, "--generate", 8, "--mtp", "off", "--repetitions", 3)}
        for row in found.values():
            self.assertEqual(len(row["milliseconds_per_step"]), 3)
            limits = row["limits"]
            self.assertEqual(set(limits), {"read_gigabytes_per_second", "int8_gops", "bf16_gops",
                                           "f32_gops"})
            self.assertTrue(all(limit > 0 for limit in limits.values()))
            self.assertAlmostEqual(
                row["share_of_bandwidth"],
                row["gigabytes_per_second"] / limits["read_gigabytes_per_second"])
            self.assertNotIn("profile", row)
            # Bytes and operations are those of the same time. Which experts are read differs
            # between repetitions.
            ratio = row["gops"] / row["gigabytes_per_second"]
            self.assertAlmostEqual(
                ratio, 2 * row["multiply_adds_per_step"] / row["bytes_per_step"],
                delta=0.2 * ratio)
        generate = found["generate"]
        for rate, milliseconds in zip(generate["tokens_per_second"],
                                      generate["milliseconds_per_step"], strict=True):
            self.assertAlmostEqual(rate * milliseconds / 1000, 1)
        # A prompt of 32 rows multiplies with every weight of a step about as often, but reads it
        # once.
        self.assertGreater(found["prompt"]["multiply_adds_per_step"],
                           16 * generate["multiply_adds_per_step"])
        self.assertLess(found["prompt"]["bytes_per_step"], 8 * generate["bytes_per_step"])
        quiet = rows("--no-limits", "--prompt", 0, "--generate", 4, "--repetitions", 1)[0]
        self.assertGreater(quiet["gigabytes_per_second"], 0)
        for name in ("limits", "share_of_bandwidth", "share_of_peak"):
            self.assertNotIn(name, quiet)

    def test_profile(self):
        found = rows("--profile", "--no-limits", "--prompt", 16, "--generate", 8, "--mtp", "off,1",
                     "--repetitions", 1)
        for row in found:
            names = [(part["pass"], part["operation"]) for part in row["profile"]]
            self.assertEqual(len(set(names)), len(names))
            for name in ("attention projections", "absorb", "latent scan", "router", "head",
                         "experts and shared: activate", "sampling", "other"):
                self.assertIn(("main", name), names)
            if row["test"] == "generate":
                self.assertEqual(any(part == "mtp" for part, _ in names), row["mtp"] == "1")
            self.assertAlmostEqual(sum(part["share"] for part in row["profile"]), 1)
            for part in row["profile"]:
                # Nor is it known where the module's context begins.
                has_work = part["operation"] not in ("sampling", "other") and (
                    part["pass"], part["operation"]) != ("mtp", "latent scan")
                self.assertEqual("gigabytes_per_second" in part, has_work)
        table = hadal_bench("--profile", "--no-limits", "--prompt", 0, "--generate", 8,
                            "--repetitions", 1)
        self.assertIn("milliseconds of a step", table.stdout)
        self.assertIn("latent scan", table.stdout)

    def test_limits_alone(self):
        limits = rows("--limits", "--threads", 1)
        self.assertTrue(all(limit > 0 for limit in limits.values()))
        self.assertIn("GB/s", hadal_bench("--limits").stdout)

    def test_kernel_ladder(self):
        found = rows("--kernels", "--tiers", "scalar,avx2", "--formats", "BF16,Q4_K")
        self.assertEqual({row["format"] for row in found}, {"BF16", "Q4_K"})
        self.assertEqual([row["rows"] for row in found[:6]], [1, 2, 4, 8, 64, 512])
        for row in found:
            self.assertTrue(row["exact"])
            self.assertGreater(row["cached_gops"], 0)
            self.assertEqual("memory_gigabytes_per_second" in row, row["rows"] == 1)
        table = hadal_bench("--kernels", "--tiers", "scalar", "--formats", "Q8_0").stdout
        self.assertEqual(sum(line.startswith("Q8_0") for line in table.splitlines()), 6)

    def test_acceptance_by_a_coin(self):
        for chance in (0, 1):
            found = rows("--acceptance", chance, "--prompt", 0, "--generate", 30, "--mtp", 2,
                         "--repetitions", 1, "--no-limits")[0]
            self.assertEqual(found["synthetic_acceptance"], chance)
            self.assertTrue(found["acceptance"])
            for position in found["acceptance"]:
                self.assertEqual(position["accepted"], chance * position["drafted"])
        table = hadal_bench("--acceptance", 0.5, "--prompt", 0, "--generate", 8,
                            "--repetitions", 1, "--no-limits").stdout
        self.assertIn("coin", table)

    def test_model_without_mtp_is_called_off(self):
        found = rows("--model", PARITY / "v2_greedy_lite", "--prompt", 8, "--generate", 4,
                     "--mtp", "auto,off", "--repetitions", 1, "--no-limits")
        self.assertEqual([row["mtp"] for row in found], ["off", "off"])
        self.assertEqual([row["test"] for row in found], ["prompt", "generate"])

    def test_prompts_from_a_text(self):
        with tempfile.TemporaryDirectory() as folder:
            text = pathlib.Path(folder) / "story.txt"
            text.write_text("Once upon a time there was a little fish. " * 9)
            found = rows("--text", text, "--prompt", 300, "--generate", 4, "--repetitions", 1,
                         "--no-limits")
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
        self.expect(["--acceptance", "MTP"], "--model", PARITY / "v2_greedy_lite", "--acceptance",
                    0.5, "--prompt", 8, "--generate", 4)
        self.expect(["--acceptance", "--mtp"], "--acceptance", 0.5, "--mtp", "off")
        self.expect(["--limits", "--kernels"], "--limits", "--kernels")
        for mode in ("--kernels", "--limits"):
            for option in (["--profile"], ["--no-limits"], ["--prompt", 8], ["--generate", 8],
                           ["--depth", 8], ["--batch", 2], ["--mtp", "off"],
                           ["--acceptance", 1], ["--repetitions", 1], ["--text", "/dev/null"],
                           ["--temperature", 1], ["--seed", 1]):
                self.expect([mode, option[0]], mode, *option)
        self.expect(["--tiers"], "--tiers", "scalar")
        for name, value in [("--prompt", "1,x"), ("--batch", "0"), ("--batch", "2,2"),
                            ("--depth", "-1"), ("--mtp", "off,9"), ("--repetitions", "0"),
                            ("--temperature", "3"), ("--acceptance", "1.5"), ("--tiers", "mmx"),
                            ("--formats", "Q4_K,Q4_K")]:
            self.expect([name], f"{name}={value}")


if __name__ == "__main__":
    unittest.main()
