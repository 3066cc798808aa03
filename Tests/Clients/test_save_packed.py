"""`--save-packed`: the file beside the model helps where it can and never hinders.

    HADAL=.build/release/hadal python -m unittest discover -s Tests/Clients
"""

import os
import pathlib
import random
import resource
import shutil
import subprocess
import tempfile
import unittest

from server import start
from test_convert import DEMO, convert


class SavePacked(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.model = self.folder / "model.gguf"
        self.cache = self.folder / "model.gguf.packed"
        self.assertEqual(convert(DEMO, self.model, "q8_0").returncode, 0)
        self.plain, _ = self.generate()

    def start(self, *more, **options):
        return subprocess.Popen(
            [os.environ["HADAL"], "generate", "--model", self.model, "--prompt", "Once upon",
             "--max-tokens", "8", "--seed", "1", *more], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, **options)

    def generate(self, *more, **options):
        """The answer and what was logged."""
        process = self.start(*more, **options)
        output, log = process.communicate(timeout=300)
        self.assertEqual(process.returncode, 0, log)
        return output, log

    def files(self):
        return {path.name for path in self.folder.iterdir()}

    def test_saved_and_used(self):
        self.assertEqual(self.generate("--save-packed"), (self.plain, ""))
        self.assertEqual(self.files(), {"model.gguf", "model.gguf.packed"})
        before = self.cache.stat()
        for options in ([], ["--save-packed"]):
            self.assertEqual(self.generate(*options), (self.plain, ""))
        self.assertEqual(self.cache.stat().st_mtime_ns, before.st_mtime_ns)

    def test_mapped(self):
        output, log = self.generate("--map-packed")
        self.assertEqual(output, self.plain)
        self.assertIn("--save-packed", log)
        for _ in range(2):
            self.assertEqual(self.generate("--map-packed", "--save-packed"), (self.plain, ""))
        self.assertEqual(self.generate("--map-packed"), (self.plain, ""))
        server = start(self, "--model", self.model, "--map-packed", "--kv-tokens", 64)
        with server.client() as client:
            answer = client.completions.create(
                model=server.model, prompt="Once upon", max_tokens=8, seed=1)
        self.assertEqual(answer.choices[0].text, self.plain.removesuffix("\n"))
        self.assertIn(str(self.cache), pathlib.Path(f"/proc/{server.process.pid}/maps").read_text())
        self.cache.write_bytes(self.cache.read_bytes()[:-1])
        output, log = self.generate("--map-packed")
        self.assertEqual(output, self.plain)
        self.assertIn("damaged", log)

    def test_what_does_not_fit_is_packed_again(self):
        self.generate("--save-packed")
        good = self.cache.read_bytes()
        seed = random.randrange(1 << 32)
        generator = random.Random(seed)
        damaged = bytearray(good)
        damaged[generator.randrange(4096, len(good))] ^= 1 << generator.randrange(8)
        for bytes_, word in (
                (damaged, "damaged"), (good[:generator.randrange(4096, len(good))], "damaged"),
                (good[:generator.randrange(16)], "not a cache"), (b"", "not a cache"),
                (generator.randbytes(5000), "not a cache")):
            with self.subTest(word=word, size=len(bytes_), seed=seed):
                self.cache.write_bytes(bytes_)
                output, log = self.generate()
                self.assertEqual(output, self.plain)
                for part in (str(self.cache), word, "--save-packed"):
                    self.assertIn(part, log)
                self.assertEqual(self.generate("--save-packed")[0], self.plain)
                self.assertEqual(self.cache.read_bytes(), good)
        os.utime(self.model)
        self.assertIn("other weights", self.generate("--save-packed")[1])
        self.assertEqual(self.generate(), (self.plain, ""))

    def test_no_room(self):
        output, log = self.generate("--save-packed", preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_FSIZE, (1 << 20, 1 << 20)))
        self.assertEqual(output, self.plain)
        for part in ("not saved", str(self.cache), "File too large"):
            self.assertIn(part, log)
        self.assertEqual(self.files(), {"model.gguf"})

    def test_something_else_in_its_place(self):
        self.cache.mkdir()
        output, log = self.generate("--save-packed")
        self.assertEqual(output, self.plain)
        for part in ("not used", "not saved", str(self.cache)):
            self.assertIn(part, log)
        self.cache.rmdir()
        os.mkfifo(self.cache)
        self.assertEqual(self.generate("--save-packed")[0], self.plain)
        self.assertTrue(self.cache.is_fifo())

    def test_two_at_once(self):
        both = [self.start("--save-packed") for _ in range(2)]
        for process in both:
            self.assertEqual(process.communicate(timeout=300), (self.plain, ""))
        self.assertEqual(self.files(), {"model.gguf", "model.gguf.packed"})
        self.assertEqual(self.generate(), (self.plain, ""))

    def test_beside_a_directory(self):
        copy = self.folder / "copy"
        shutil.copytree(DEMO, copy)
        self.model = copy
        plain, _ = self.generate()
        self.assertEqual(self.generate("--save-packed"), (plain, ""))
        self.assertTrue((copy / "hadal.packed").exists())
        self.assertEqual(self.generate(), (plain, ""))


if __name__ == "__main__":
    unittest.main()
