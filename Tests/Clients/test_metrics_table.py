"""deploy/metrics.md and access-log.md say what a scrape and the access log really hold: the values
of labels, and the fields of lines. Names, types and labels of metrics are compared in test_metrics.

    HADAL=.build/release/hadal python -m unittest discover -s Tests/Clients
"""

import json
import re
import unittest

from server import PROMPT
from test_metrics import DEPLOY, samples, serve

# Labels whose values are numbers, versions or names that an operator chose.
OPEN = {"block_size", "engine", "expert", "layer", "le", "model_name", "num_gpu_blocks", "position",
        "rows", "status", "version"}


def rows():
    """The cells of every row of the tables, by the first."""
    found = {}
    for line in (DEPLOY / "metrics.md").read_text().splitlines():
        if line.startswith("| `"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            found[cells[0]] = cells
    return found


def words(text):
    return set(re.findall(r"`([^`]+)`", text))


class Table(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        serve(cls, "--mtp", 2, "--log-prompts", "--api-key", "alice:sk-alice")
        cls.fill()
        cls.text = cls.server.get("/metrics", Authorization="Bearer sk-alice")[2]
        assert cls.server.stop() == 0
        cls.lines = [json.loads(line) for line in cls.access_log.read_text().splitlines()]

    @classmethod
    def fill(cls):
        """Requests of every route, answers of every end that a client can bring about."""
        key = {"Authorization": "Bearer sk-alice"}
        for path in ("/health", "/ready", "/metrics", "/v1/models", "/v1/models/x", "/tokenize",
                     "/detokenize", "/v1/completions", "/v1/chat/completions", "/none"):
            cls.server.get(path, **key)

        def send(head, body=b""):
            peer = cls.server.connect()
            peer.sendall("\r\n".join([*head, "Host: localhost", "", ""]).encode() + body)
            return peer

        def generate(**options):
            body = json.dumps({"prompt": PROMPT, "max_tokens": 4} | options).encode()
            return send(["POST /v1/completions HTTP/1.1", "Authorization: Bearer sk-alice",
                         "User-Agent: test", f"Content-Length: {len(body)}"], body)

        # No request at all; a body that is none; an answer; one of which its client has enough.
        for peer in (send(["BREW / HTTP/1.1"]),
                     send(["POST /tokenize HTTP/1.1", "Authorization: Bearer sk-alice",
                           "Transfer-Encoding: chunked"], b"x\r\n"),
                     generate(), generate(stop=["a", "e", " "]),
                     generate(max_tokens=900, ignore_eos=True, stream=True)):
            peer.recv(1 << 16)
            peer.close()

    def test_the_table_has_every_value_of_every_label(self):
        table, seen = rows(), {}
        for name, found in samples(self.text).items():
            row = table.get(f"`{name}`") or table["`" + re.sub(
                r"_(bucket|sum|count)$", "", name) + "`"]
            for sample in found:
                for label, value in sample.labels.items():
                    if label not in OPEN:
                        self.assertIn(value, words(row[-1]), f"{name}: {label}")
                        seen.setdefault((name, label), set()).add(value)
        # The other way round, where the scrape has all values from the start or by `fill`.
        for name, label in (
                ("vllm:request_success_total", "finished_reason"), ("hadal_kv_pages", "state"),
                ("vllm:prompt_tokens_by_source_total", "source"),
                ("hadal_read_bytes_total", "pass"), ("hadal_worker_waits_total", "how"),
                ("hadal_http_connections_refused_total", "reason"),
                ("hadal_http_connections_timed_out_total", "kind"),
                ("hadal_memory_planned_bytes", "part"), ("hadal_http_requests_total", "route")):
            self.assertEqual(seen[name, label], words(table[f"`{name}`"][-1]), name)

    def test_the_table_has_every_field_of_the_access_log(self):
        text = (DEPLOY / "access-log.md").read_text()
        cells = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| `")]
        documented = set().union(*(words(row[0]) for row in cells))
        self.assertEqual(set().union(*self.lines), documented)
        ends = next(words(row[1]) for row in cells if "finish_reasons" in row[0])
        found = {end for line in self.lines for end in line.get("finish_reasons", [])}
        # A pass that fails is nothing that a client can bring about.
        self.assertEqual(found, ends - {"error"})
        statuses = {line["status"] for line in self.lines if "error" in line}
        self.assertEqual(statuses, {400, 501})


if __name__ == "__main__":
    unittest.main()
