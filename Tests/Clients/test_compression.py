"""Compressed bodies as clients see them: Python's gzip module, and curl.

    HADAL=.build/release/hadal python -m unittest discover -s Tests/Clients
"""

import gzip
import http.client
import json
import subprocess
import unittest
import zlib

from server import PATIENCE, start

PROMPT = {"prompt": "Once upon a time there was a", "temperature": 0}
LIMIT = 8 << 20


class Compression(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = start(cls)

    def post(self, body, path="/tokenize", **headers):
        client = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        client.request("POST", path, body, {"Content-Type": "application/json"} | fields)
        answer = client.getresponse()
        content = answer.read()
        client.close()
        return answer, content

    def refusal(self, body, coding="gzip"):
        answer, content = self.post(body, Content_Encoding=coding)
        return answer.status, json.loads(content)["error"]["code"]

    def test_requests(self):
        body = json.dumps({"prompt": "The bird said: héllo. " * 500}).encode()
        _, plain = self.post(body)
        half = len(body) // 2
        for packed in (gzip.compress(body), gzip.compress(body, 1),
                       gzip.compress(body[:half]) + gzip.compress(body[half:])):
            for coding in ("gzip", "x-gzip", "GZIP"):
                answer, content = self.post(packed, Content_Encoding=coding)
                self.assertEqual((answer.status, content), (200, plain))

    def test_requests_refused(self):
        body = json.dumps({"prompt": "The bird"}).encode()
        packed = gzip.compress(body)
        invalid = (400, "invalid_content_encoding")
        for wrong in (packed[:-1], packed[:20], packed + b"x", packed + b"\0", b"", body,
                      zlib.compress(body), packed[:-8] + b"\0\0\0\0" + packed[-4:]):
            self.assertEqual(self.refusal(wrong), invalid)
        for coding in ("deflate", "br", "zstd", "gzip, gzip"):
            self.assertEqual(self.refusal(packed, coding), (415, "unsupported_content_encoding"))
        answer, _ = self.post(packed, Content_Encoding="br")
        self.assertEqual(answer.headers["Accept-Encoding"], "gzip")

    def test_bombs(self):
        bomb = gzip.compress(b" " * (200 << 20), 9)
        self.assertLess(len(bomb), LIMIT)
        self.assertEqual(self.refusal(bomb), (413, "invalid_content_encoding"))
        # As large as is allowed.
        prompt = b'{"prompt":"a"}'
        full = gzip.compress(prompt + b" " * (LIMIT - len(prompt)))
        self.assertEqual(self.post(full, Content_Encoding="gzip")[0].status, 200)
        more = gzip.compress(prompt + b" " * (LIMIT - len(prompt) + 1))
        self.assertEqual(self.refusal(more), (413, "invalid_content_encoding"))

    def test_answers(self):
        body = json.dumps({"prompt": "The bird said hello. " * 300})
        answer, plain = self.post(body)
        self.assertEqual(answer.headers["Vary"], "Accept-Encoding")
        for field in ("gzip", "gzip, deflate, br", "*", "gzip;q=0.5", "identity;q=0.1, gzip"):
            answer, content = self.post(body, Accept_Encoding=field)
            self.assertEqual(answer.headers["Content-Encoding"], "gzip")
            self.assertEqual(int(answer.headers["Content-Length"]), len(content))
            self.assertLess(len(content), len(plain) // 2)
            self.assertEqual(gzip.decompress(content), plain)
        for field in ("", "br", "gzip;q=0", "gzip;q=0.1, identity"):
            answer, content = self.post(body, Accept_Encoding=field)
            self.assertIsNone(answer.headers["Content-Encoding"])
            self.assertEqual(content, plain)

    def test_streams_are_not_compressed(self):
        body = json.dumps(PROMPT | {"stream": True, "max_tokens": 64, "ignore_eos": True})
        answer, content = self.post(body, "/v1/completions", Accept_Encoding="gzip")
        self.assertIsNone(answer.headers["Content-Encoding"])
        self.assertTrue(content.endswith(b"data: [DONE]\n\n"))

    def test_curl(self):
        plain, coded = (
            subprocess.run(["curl", "-s", *option, self.server.url + "/metrics"],
                           capture_output=True, check=True).stdout.decode()
            for option in ([], ["--compressed"]))

        def names(text):
            return [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
        self.assertGreater(len(names(plain)), 10)
        self.assertEqual(names(coded), names(plain))
        head = subprocess.run(["curl", "-sI", "--compressed", self.server.url + "/metrics"],
                              capture_output=True, check=True).stdout.decode()
        self.assertIn("Content-Encoding: gzip", head)


if __name__ == "__main__":
    unittest.main()
