"""`hadal loadtest` against the real server, whose own counts it must agree with, and against a
small independent server that answers in OpenAI's form with known delays.

    HADAL=.build/release/hadal python -m unittest discover -s Tests/Clients
"""

import http.server
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import threading
import time
import unittest

from prometheus_client.parser import text_string_to_metric_families

from server import PATIENCE, hold_port, start

TOKENS = 5


def loadtest(url, *arguments, check=None, environment=None):
    result = subprocess.run(
        [os.environ["HADAL"], "loadtest", "--url", url, *map(str, arguments)],
        capture_output=True, text=True, timeout=300, env=dict(os.environ) | (environment or {}))
    if check is not None:
        assert result.returncode == check, (result.returncode, result.stderr, result.stdout)
    return result


def report(url, *arguments, check=0):
    return json.loads(loadtest(url, "--json", *arguments, check=check).stdout)


class Handler(http.server.BaseHTTPRequestHandler):
    """Streams five tokens, after known times where a test is about them."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer(200, {"object": "list", "data": [{"id": "slow-model"}]})

    def answer(self, status, value, **headers):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.news:
            self.server.seen.append((self.path, dict(self.headers), body))
            number = len(self.server.seen)
            self.server.running += 1
            self.server.most = max(self.server.most, self.server.running)
            self.server.news.notify_all()
        try:
            self.server.hold(number)
            if self.server.refuse_every and number % self.server.refuse_every == 0:
                self.answer(429, {"error": {"message": "busy"}}, Retry_After="2")
            elif body.get("stream"):
                self.stream(body)
            else:
                time.sleep(self.server.first)
                self.answer(200, {"choices": [{"message": {"content": "a b"}}],
                                  "usage": {"prompt_tokens": 7, "completion_tokens": 2}})
        except ConnectionError:
            # The load tester gave up, as an interrupted run does.
            self.close_connection = True
        finally:
            with self.server.news:
                self.server.running -= 1

    def stream(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.event({"choices": [{"delta": {"role": "assistant", "content": ""}}]})
        time.sleep(self.server.first)
        for index in range(TOKENS):
            if index:
                time.sleep(self.server.gap)
            text = {"text": f"w{index} "} if "prompt" in body else {
                "delta": {"content": f"w{index} "}}
            self.event({"choices": [text]})
        if self.server.usage:
            self.event({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": TOKENS}})
        self.chunk(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def event(self, value):
        self.chunk(b"data: " + json.dumps(value).encode() + b"\n\n")

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()


def serve_known(test, tls=None):
    """A server that does as a test says and ends with it."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.news = threading.Condition()
    server.seen, server.running, server.most = [], 0, 0
    server.refuse_every, server.usage = 0, True
    # Seconds before the first token and between two; what the answer to a request waits for.
    server.first = server.gap = 0
    server.hold = lambda number: None
    if tls:
        # Each handshake on its connection's thread. Who does not believe the certificate ends it.
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False)
        server.handle_error = lambda *_: None
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    test.addCleanup(thread.join)
    test.addCleanup(server.server_close)
    test.addCleanup(server.shutdown)
    return server


class KnownServer(unittest.TestCase):
    def setUp(self):
        self.server = serve_known(self)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def test_closed_loop_and_known_delays(self):
        first, gap = self.server.first, self.server.gap = 0.1, 0.03
        together = threading.Barrier(3)
        self.server.hold = lambda number: together.wait(PATIENCE) if number <= 3 else None
        found = report(self.url, "--concurrency", 3, "--requests", 12, "--warmup-requests", 3)
        self.assertEqual(found["model"], "slow-model")
        self.assertEqual(len(self.server.seen), 15)
        self.assertEqual(self.server.most, 3)
        self.assertEqual(found["requests"]["succeeded"], 12)
        self.assertEqual(found["requests"]["warmup"], 3)
        self.assertEqual(found["tokens"], {"output": 60, "prompt": 84, "cached_prompt": None,
                                           "source": "usage"})
        latency = found["latency_ms"]
        # What the server sleeps is a lower bound, however slow the machine. Not for a gap alone:
        # a token that is read late is nearer to the next one.
        whole = (first + (TOKENS - 1) * gap) * 1000 - 1
        self.assertGreaterEqual(latency["time_to_first_token"]["p50"], first * 1000 - 1)
        self.assertGreaterEqual(latency["end_to_end"]["p50"], whole)
        for name in ("time_per_output_token", "inter_event"):
            self.assertGreaterEqual(
                latency["time_to_first_token"]["mean"] + (TOKENS - 1) * latency[name]["mean"],
                whole)
            self.assertGreaterEqual(latency[name]["max"], gap * 1000 - 5)
        self.assertEqual(latency["inter_event"]["count"], 12 * (TOKENS - 1))
        self.assertAlmostEqual(found["rates"]["output_tokens"], 60 / found["seconds"])
        for path, headers, body in self.server.seen:
            self.assertEqual(path, "/v1/chat/completions")
            self.assertNotIn("Authorization", headers)
            self.assertEqual(set(body), {"model", "messages", "max_tokens", "stream",
                                         "stream_options"})
        prompts = {body["messages"][0]["content"] for _, _, body in self.server.seen}
        self.assertEqual(len(prompts), 15)
        self.assertTrue(all(len(prompt.split()) == 128 for prompt in prompts))

    def test_open_loop(self):
        self.server.first = 0.1
        found = report(self.url + "/v1/", "--rate", 40, "--arrivals", "fixed", "--requests", 40,
                       "--endpoint", "completions", "--goal-ttft", 1, "--goal-itl", 60_000)
        self.assertEqual(found["requests"]["started"], 40)
        self.assertEqual(found["requests"]["succeeded"], 40)
        self.assertGreater(self.server.most, 2)
        self.assertGreaterEqual(found["seconds"], 39 / 40)
        self.assertEqual(found["goodput"]["requests"], 0)
        self.assertTrue(all(path == "/v1/completions" for path, _, _ in self.server.seen))

    def test_bound_on_requests_in_work(self):
        self.server.first = 0.1
        found = report(self.url, "--rate", 50, "--arrivals", "fixed", "--duration", 0.6,
                       "--max-outstanding", 2)
        self.assertLessEqual(self.server.most, 2)
        counts = found["requests"]
        self.assertGreater(counts["delayed"], 0)
        self.assertEqual(counts["started"] + counts["unsent"], 30)
        # Latencies count from when requests were due.
        self.assertGreaterEqual(
            found["latency_ms"]["end_to_end"]["max"], counts["longest_delay_ms"])

    def test_refusals_are_no_errors(self):
        self.server.refuse_every = 3
        found = report(self.url, "--concurrency", 1, "--requests", 6, check=0)
        self.assertEqual(found["requests"]["refused"], 2)
        self.assertEqual(found["refusals"], [{
            "status": 429, "count": 2, "message": "busy", "with_retry_after": 2,
            "retry_after_seconds": {"min": 2, "max": 2}}])
        self.assertEqual(found["errors"], [])

    def test_without_usage_events_count(self):
        self.server.usage = False
        found = report(self.url, "--concurrency", 2, "--requests", 2)
        self.assertEqual(found["tokens"]["source"], "events")
        self.assertEqual(found["tokens"]["output"], 2 * TOKENS)
        self.assertIsNone(found["rates"]["prompt_tokens"])

    def test_turns_send_answers_again(self):
        report(self.url, "--concurrency", 1, "--requests", 3, "--turns", 3, "--prompt-tokens", 4)
        history = [body["messages"] for _, _, body in self.server.seen]
        self.assertEqual([len(messages) for messages in history], [1, 3, 5])
        self.assertEqual(history[2][:3], history[1])
        self.assertEqual(history[1][1], {"role": "assistant", "content": "w0 w1 w2 w3 w4 "})

    def test_keys_headers_and_extensions(self):
        arguments = ("--concurrency", 1, "--requests", 1, "--header", "X-Team: blue",
                     "--ignore-eos", "--temperature", 0.5, "--max-tokens", "3-3")
        for environment, more, key in (
                ({"HADAL_API_KEY": "one", "OPENAI_API_KEY": "two"}, (), "one"),
                ({"OPENAI_API_KEY": "two"}, (), "two"),
                ({"OPENAI_API_KEY": "two"}, ("--api-key", "three"), "three")):
            self.server.seen.clear()
            result = loadtest(self.url, "--json", *arguments, *more, check=0,
                              environment=environment)
            _, headers, body = self.server.seen[0]
            self.assertEqual(headers["Authorization"], f"Bearer {key}")
            self.assertEqual(headers["X-Team"], "blue")
            self.assertEqual((body["ignore_eos"], body["temperature"], body["max_tokens"]),
                             (True, 0.5, 3))
            self.assertNotIn(f"Bearer {key}", result.stdout)

    def test_whole_answers(self):
        self.server.first = 0.1
        found = report(self.url, "--concurrency", 2, "--requests", 2, "--no-stream")
        self.assertEqual(found["tokens"]["output"], 4)
        self.assertEqual(found["latency_ms"]["time_to_first_token"]["count"], 0)
        self.assertGreaterEqual(found["latency_ms"]["end_to_end"]["p50"], 100 - 1)
        self.assertFalse(any("stream" in body for _, _, body in self.server.seen))

    def test_same_seed_same_prompts(self):
        runs = []
        for seed in (1, 1, 2):
            self.server.seen.clear()
            report(self.url, "--concurrency", 1, "--requests", 2, "--seed", seed)
            runs.append([body for _, _, body in self.server.seen])
        self.assertEqual(runs[0], runs[1])
        self.assertNotEqual(runs[0], runs[2])

    def test_html_report(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "report.html"
            loadtest(self.url, "--concurrency", 2, "--requests", 4, "--report", path, check=0)
            text = path.read_text()
        self.assertTrue(text.startswith("<!DOCTYPE html>"))
        self.assertIn("slow-model", text)
        self.assertNotIn("<script", text)
        self.assertGreater(text.count("<svg "), 5)

    def test_interrupt_still_reports(self):
        over = threading.Event()
        self.addCleanup(over.set)
        self.server.hold = lambda number: over.wait(PATIENCE) if number > 4 else None
        process = subprocess.Popen(
            [os.environ["HADAL"], "loadtest", "--url", self.url, "--json", "--concurrency", "2",
             "--duration", "600"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        with self.server.news:
            self.server.news.wait_for(lambda: len(self.server.seen) == 6, PATIENCE)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=PATIENCE)
        found = json.loads(output)
        self.assertEqual(process.returncode, 0)
        self.assertTrue(found["interrupted"])
        self.assertEqual(found["requests"]["succeeded"], 4)
        self.assertEqual(found["requests"]["cancelled"], 2)

    def test_table(self):
        result = loadtest(self.url, "--concurrency", 2, "--requests", 4, check=0)
        for text in ("Request rate", "Output tokens", "Time to first token", "p99",
                     "4 of 4 succeeded"):
            self.assertIn(text, result.stdout)


class Refused(unittest.TestCase):
    def test_options(self):
        for arguments in (
                ("--url", "https://"), ("--url", "127.0.0.1:80"), ("--url", "http://h?q"),
                ("--rate", "0"), ("--rate", "nan"), ("--concurrency", "0"),
                ("--rate", "1", "--concurrency", "1"), ("--requests", "0"),
                ("--prompt-tokens", "0"), ("--max-tokens", "9-3"), ("--shared-prefix", "1.5"),
                ("--turns", "0"), ("--token-ids", "100"), ("--header", "no colon"),
                ("--header", "Host: x"), ("--header", "X: a\r\nY: b"), ("--goal-ttft", "-1"),
                ("--arrivals", "never"), ("--timeout", "inf"), ("--insecure",), ("--ca", "x.pem"),
                ("--url", "https://h", "--insecure", "--ca", "x.pem")):
            result = subprocess.run(
                [os.environ["HADAL"], "loadtest", "--url", "http://127.0.0.1:9", *arguments],
                capture_output=True, text=True, timeout=PATIENCE)
            self.assertNotIn(result.returncode, (0, 1), arguments)

    def test_nobody_there(self):
        url = f"http://127.0.0.1:{hold_port(self)}"
        result = loadtest(url, "--requests", 1)
        self.assertEqual(result.returncode, 1)
        self.assertIn("refused", result.stderr)
        found = report(url, "--requests", 2, "--model", "m", check=1)
        self.assertEqual([(row["kind"], row["count"]) for row in found["errors"]],
                         [("connection_refused", 2)])


class RealServer(unittest.TestCase):
    """The bundled model behind `hadal serve`."""

    @classmethod
    def setUpClass(cls):
        cls.server = start(cls)
        cls.url = cls.server.url

    def totals(self):
        text = self.server.get("/metrics")[2]
        sums = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                sums[sample.name] = sums.get(sample.name, 0) + sample.value
        return sums

    def difference(self, *arguments):
        before = self.totals()
        found = report(self.url, *arguments)
        after = self.totals()
        return found, {name: after[name] - before.get(name, 0) for name in after}

    def test_counts_agree_with_the_server(self):
        found, server = self.difference(
            "--concurrency", 4, "--requests", 12, "--prompt-tokens", "10-60", "--max-tokens",
            "4-12", "--shared-prefix", 0.5, "--turns", 2)
        self.assertEqual(found["requests"]["succeeded"], 12)
        self.assertEqual(found["tokens"]["source"], "usage")
        self.assertEqual(found["tokens"]["output"], server["vllm:generation_tokens_total"])
        self.assertEqual(found["tokens"]["prompt"], server["vllm:prompt_tokens_total"])
        self.assertEqual(server["vllm:request_success_total"], 12)
        # A shared beginning and second turns are what a prefix cache is for.
        self.assertGreater(found["tokens"]["cached_prompt"], 0)

    def test_full_answers_of_completions(self):
        found, server = self.difference(
            "--rate", 8, "--requests", 6, "--endpoint", "completions", "--ignore-eos",
            "--max-tokens", 9, "--temperature", 0)
        self.assertEqual(found["tokens"]["output"], 54)
        self.assertEqual(server["vllm:generation_tokens_total"], 54)

    def test_token_ids_and_turns(self):
        found = report(
            self.url, "--concurrency", 1, "--requests", 4, "--endpoint", "completions",
            "--token-ids", 3000, "--prompt-tokens", 20, "--max-tokens", 5, "--ignore-eos",
            "--turns", 2)
        # A second turn is the first prompt, its answer and 20 more.
        self.assertEqual(found["tokens"]["prompt"], 2 * 20 + 2 * (20 + 5 + 20))


if __name__ == "__main__":
    unittest.main()
