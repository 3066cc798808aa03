"""Metrics, request ids and the access log of a running server, read by others' programs.

The server runs the bundled demo model. Where Prometheus is installed (Debian: apt-get install
prometheus), it scrapes the server, and every query of the dashboard must bring data.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import openai
from prometheus_client.parser import text_string_to_metric_families

from server import PATIENCE, PROMPT, hold_port, start

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana/dashboard.json").read_text())
QUERIES = [(panel["title"], target["expr"])
           for panel in DASHBOARD["panels"] for target in panel["targets"]]


def serve(tests, *arguments):
    """A server with its access log in a file of the class of tests."""
    directory = tempfile.TemporaryDirectory()
    tests.addClassCleanup(directory.cleanup)
    tests.access_log = Path(directory.name) / "access.log"
    tests.server = start(
        tests, "--kv-tokens", 8192, "--access-log", tests.access_log, *arguments)


def complete(client, **options):
    options = {"prompt": PROMPT, "max_tokens": 40, "temperature": 0} | options
    return client.completions.create(model=client.models.list().data[0].id, **options)


def samples(text):
    """Samples of a scrape by name, as Prometheus' own client library reads them."""
    by_name = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            by_name.setdefault(sample.name, []).append(sample)
    return by_name


def documented():
    """Type and own labels of every metric in the table for people."""
    rows = {}
    for line in (DEPLOY / "metrics.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `"):
            labels = set(re.findall(r"`(\w+)`", cells[2]))
            if not cells[2].startswith("only"):
                labels |= {"model_name", "engine"}
            rows[cells[0].strip("`")] = (cells[1], labels)
    return rows


def metric_names(query):
    """The metrics that a query of the dashboard names."""
    without_labels = re.sub(r"\{[^}]*\}|\[[^]]*\]", "", query)
    return set(re.findall(r"\b(?:vllm:|hadal_|process_)\w+", without_labels))


class Scrapes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # Drafts whether they pay or not: their metrics must have data.
        cls.begun = time.time()
        serve(cls, "--mtp", 2)
        with cls.server.client() as client:
            for _ in range(2):
                complete(client)
        cls.server.get("/none")
        cls.text = cls.server.get("/metrics")[2]
        cls.scraped = time.time()

    def test_the_table_names_every_metric_with_type_and_labels(self):
        types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", self.text, re.M))
        table = documented()
        self.assertEqual(types, {name: kind for name, (kind, _) in table.items()})
        by_name = samples(self.text)
        for name, (kind, labels) in table.items():
            suffixes = ["_bucket", "_sum", "_count"] if kind == "histogram" else [""]
            for suffix in suffixes:
                expected = labels | ({"le"} if suffix == "_bucket" else set())
                for sample in by_name.get(name + suffix, []):
                    self.assertEqual(set(sample.labels), expected, name)

    def test_histograms_are_whole(self):
        by_name = samples(self.text)
        types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", self.text, re.M))
        for name in (name for name, kind in types.items() if kind == "histogram"):
            buckets = [(float(s.labels["le"]), s.value) for s in by_name[name + "_bucket"]]
            self.assertEqual(buckets, sorted(buckets), name)
            counts = [count for _, count in buckets]
            self.assertEqual(counts, sorted(counts), name)
            self.assertEqual(buckets[-1], (float("inf"), by_name[name + "_count"][0].value), name)

    def test_the_work_done_is_in_the_numbers(self):
        by_name = samples(self.text)
        self.assertEqual(by_name["vllm:e2e_request_latency_seconds_count"][0].value, 2)
        self.assertEqual(by_name["vllm:time_to_first_token_seconds_count"][0].value, 2)
        generated = by_name["vllm:generation_tokens_total"][0].value
        self.assertEqual(by_name["vllm:request_generation_tokens_sum"][0].value, generated)
        self.assertGreater(by_name["process_resident_memory_bytes"][0].value, 1 << 20)
        # The system counts from its own start, which it knows to the second.
        begun = by_name["process_start_time_seconds"][0].value
        self.assertTrue(self.begun - 2 < begun < self.scraped + 2, (self.begun, begun))
        routes = {(s.labels["route"], s.labels["status"]): s.value
                  for s in by_name["hadal_http_requests_total"]}
        self.assertEqual(routes["/v1/completions", "200"], 2)
        self.assertEqual(routes["other", "404"], 1)
        rates = {s.labels["pass"]: s.value for s in by_name["hadal_achieved_bytes_per_second"]}
        self.assertGreater(rates["decode"], 0)
        planned = {s.labels["part"]: s.value for s in by_name["hadal_memory_planned_bytes"]}
        self.assertTrue(all(planned[part] > 0 for part in ("weights", "latents", "scratch")))

    def test_every_metric_of_the_dashboard_is_in_the_scrape(self):
        by_name = samples(self.text)
        types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", self.text, re.M))
        self.assertGreater(len(QUERIES), 30)
        for title, query in QUERIES:
            names = metric_names(query)
            self.assertTrue(names, query)
            for name in names:
                self.assertTrue(name in by_name or name in types, f"{title}: {name}")

    @unittest.skipUnless(shutil.which("prometheus"), "prometheus is not installed")
    def test_prometheus_scrapes_it_and_every_query_brings_data(self):
        with (Prometheus(self.server.url, hold_port(self)) as prometheus,
              self.server.client() as client):
            end = time.monotonic() + PATIENCE
            empty = list(QUERIES)
            while empty or not prometheus.has_rates() or prometheus.failures():
                self.assertLess(
                    time.monotonic(), end, f"no data: {empty}, {prometheus.failures()}")
                complete(client, max_tokens=30)
                empty = [(title, query) for title, query in empty
                         if not prometheus.query(self.fill(query))]

    def fill(self, query):
        return query.replace("$__rate_interval", "20s").replace("$instance", ".*")


class Prometheus:
    """A Prometheus on loopback that scrapes one server every second."""

    def __init__(self, url, port):
        self.directory = tempfile.TemporaryDirectory()
        self.address = f"127.0.0.1:{port}"
        configuration = Path(self.directory.name) / "prometheus.yml"
        target = url.removeprefix("http://")
        configuration.write_text(
            "global: {scrape_interval: 1s}\n"
            "scrape_configs: [{job_name: hadal, static_configs: [{targets: ['%s']}]}]\n" % target)
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={configuration}",
             f"--storage.tsdb.path={self.directory.name}/data",
             f"--web.listen-address={self.address}", "--log.level=error"])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.directory.cleanup()

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://{self.address}/api/v1/{path}") as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            if error.code == 503:  # It is starting.
                return None
            raise AssertionError(error.read().decode()) from None
        except urllib.error.URLError:
            return None

    def query(self, query):
        data = self.get("query?" + urllib.parse.urlencode({"query": query}))
        return data["result"] if data else []

    def has_rates(self):
        return bool(self.query("rate(vllm:generation_tokens_total[20s]) > 0"))

    def failures(self):
        data = self.get("targets")
        targets = data["activeTargets"] if data else []
        return [t["lastError"] or t["health"] for t in targets if t["health"] != "up"]


class RequestIds(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        serve(cls, "--log-level", "warning", "--log-format", "json")

    def lines(self, count):
        """The log's lines, once it has so many: they are written behind the answers."""
        end = time.monotonic() + PATIENCE
        while len(lines := self.access_log.read_text().split("\n")) <= count:
            self.assertLess(time.monotonic(), end, lines)
            time.sleep(0.01)
        return [json.loads(line) for line in lines[:-1]]

    def test_the_official_client_finds_them_in_answers_and_errors(self):
        known = len(self.lines(0))
        with self.server.client() as client:
            answer = complete(client, extra_headers={"X-Request-Id": "mine"})
            self.assertEqual(answer._request_id, "mine")
            made = complete(client)._request_id
            self.assertTrue(made.startswith("req_"))
            with self.assertRaises(openai.BadRequestError) as caught:
                complete(client, max_tokens=-1)
            failed = caught.exception.request_id
            self.assertTrue(failed.startswith("req_"))
        lines = [line for line in self.lines(known + 6)[known:]
                 if line["path"] == "/v1/completions"]
        self.assertEqual([line["request_id"] for line in lines], ["mine", made, failed])
        self.assertEqual([line["status"] for line in lines], [200, 200, 400])
        usage = answer.usage
        self.assertEqual(lines[0]["prompt_tokens"], usage.prompt_tokens)
        self.assertEqual(lines[0]["generated_tokens"], usage.completion_tokens)
        self.assertEqual(lines[0]["finish_reasons"], [answer.choices[0].finish_reason])
        self.assertLessEqual(lines[0]["ttft_seconds"], lines[0]["duration_seconds"])
        self.assertNotIn("Once upon", json.dumps(lines))
        self.assertRegex(lines[0]["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")

    def test_a_hangup_has_the_file_opened_anew(self):
        self.server.get("/health")
        self.lines(1)
        moved = self.access_log.with_suffix(".1")
        self.access_log.rename(moved)
        before = moved.read_text()
        self.server.signal(signal.SIGHUP)
        end = time.monotonic() + PATIENCE
        while not self.access_log.exists():
            self.assertLess(time.monotonic(), end, "no new file")
            time.sleep(0.01)
        self.server.get("/health")
        self.assertTrue(self.lines(1))
        self.assertTrue(moved.read_text().startswith(before))


class OwnMessages(unittest.TestCase):
    def log(self, *arguments):
        """Of a server's whole life."""
        server = start(self, "--access-log", "off", *arguments)
        self.assertEqual(server.stop(), 0)
        return server.log

    def test_forms_and_levels(self):
        messages = [json.loads(line) for line in self.log("--log-format", "json").splitlines()]
        self.assertEqual([m["level"] for m in messages], ["info"] * len(messages))
        self.assertTrue({"ready", "draining", "stopped"} <= {m["message"] for m in messages})
        self.assertEqual(self.log("--log-level", "error"), "")

    def test_text_lines_have_one_form(self):
        for line in self.log().splitlines():
            self.assertRegex(line, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info hadal: \w+")

    def test_off_and_unwritable(self):
        def serve(*arguments):
            return subprocess.run(
                [os.environ["HADAL"], "serve", "--port", "0", *arguments],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

        self.assertIn("--log-prompts", serve("--access-log", "off", "--log-prompts").stderr)
        result = serve("--access-log", "/none/access.log")
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("/none/access.log", result.stderr)


if __name__ == "__main__":
    unittest.main()
