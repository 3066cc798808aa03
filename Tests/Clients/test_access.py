"""Keys, rate limits, origins, names and addresses, as clients and operators meet them.

    HADAL=.build/release/hadal python -m unittest discover -s Tests/Clients
"""

import http.client
import json
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

import openai

from server import PATIENCE, PROMPT, start


class Access(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def key_file(self, text):
        path = self.folder / "keys"
        new = self.folder / "keys.new"
        new.write_text(text)
        new.chmod(0o600)
        new.rename(path)
        return path

    def status(self, server, path="/v1/models", **headers):
        return server.get(path, **headers)[0]

    def await_status(self, wanted, server, **headers):
        """A file is looked at every second, and by request."""
        end = time.monotonic() + PATIENCE
        while self.status(server, **headers) != wanted:
            self.assertLess(time.monotonic(), end, "nothing changes")
            time.sleep(0.05)

    def test_the_openai_client_is_refused_and_let_in(self):
        server = start(self, HADAL_API_KEYS="alice:sk-alice,sk-other")
        with server.client("sk-wrong") as client:
            with self.assertRaises(openai.AuthenticationError) as refused:
                client.models.list()
            self.assertEqual(refused.exception.code, "invalid_api_key")
        for key in ("sk-alice", "sk-other"):
            with server.client(key) as client:
                self.assertTrue(client.models.list().data)
        self.assertEqual(self.status(server), 401)
        self.assertEqual(self.status(server, "/health"), 200)
        self.assertEqual(server.stop(), 0)
        self.assertNotIn("sk-", server.log)

    def test_no_body_is_taken_without_a_key(self):
        server = start(self, HADAL_API_KEYS="sk-alice")
        body = self.folder / "body"
        body.write_bytes(b" " * (6 << 20))
        # curl asks for leave when it may, and otherwise begins to send.
        for expect in ("Expect: 100-continue", "Expect:"):
            for path, key, status in (
                    ("/v1/completions", "sk-none", 401), ("/nowhere", "sk-alice", 404),
                    ("/v1/models", "sk-alice", 405), ("/v1/completions", "sk-alice", 400)):
                with self.subTest(expect=expect, path=path, key=key):
                    run = subprocess.run(
                        ["curl", "-sS", "-v", "--data-binary", f"@{body}", "-H", expect,
                         "-H", f"Authorization: Bearer {key}",
                         "-H", "Content-Type: application/json", server.url + path],
                        capture_output=True, text=True, timeout=PATIENCE)
                    self.assertEqual(run.returncode, 0, run.stderr)
                    self.assertIn(f"< HTTP/1.1 {status} ", run.stderr)
                    self.assertTrue(json.loads(run.stdout)["error"]["message"])
                    leave = status == 400 and expect != "Expect:"
                    self.assertEqual("< HTTP/1.1 100 " in run.stderr, leave)

    def test_keys_are_reloaded(self):
        path = self.key_file("alice:sk-alice\n")
        server = start(self, "--api-key-file", path)
        alice, bob = {"Authorization": "Bearer sk-alice"}, {"Authorization": "Bearer sk-bob"}
        self.assertEqual((self.status(server, **alice), self.status(server, **bob)), (200, 401))
        self.key_file("bob:sk-bob\n")
        self.await_status(200, server, **bob)
        self.assertEqual(self.status(server, **alice), 401)
        # A bad file keeps the keys and says why, without repeating what it holds.
        self.key_file("bob:sk-bob requests=secret\n")
        server.await_log("not reloaded")
        self.assertEqual(self.status(server, **bob), 200)
        self.key_file("alice:sk-alice\n")
        server.signal(signal.SIGHUP)
        self.await_status(200, server, **alice)
        path.chmod(0o644)
        server.signal(signal.SIGHUP)
        server.await_log("every user of this machine can read")
        self.assertEqual(server.stop(), 0)
        self.assertNotIn("secret", server.log)
        self.assertNotIn("sk-", server.log)

    def test_a_bad_start_is_refused(self):
        for arguments in (
                ["--api-key-file", self.folder / "missing"],
                ["--api-key-file", self.key_file("# nothing\n")], ["--api-key", "a b:"],
                ["--rate-limit-requests", "0"], ["--cors-origin", "example.com"],
                ["--admin-host", "127.0.0.1"], ["--drain-delay-seconds", "-1"]):
            with self.subTest(arguments=arguments):
                self.assertGreater(start(self, *arguments, waits=False).wait(), 0)

    def test_the_openai_client_waits_as_long_as_told(self):
        path = self.key_file("alice:sk-alice requests=30\nbob:sk-bob\n")
        server = start(self, "--api-key-file", path)
        with server.client("sk-alice") as client:
            for _ in range(30):
                client.models.list()
            # Every two seconds brings one more.
            with self.assertRaises(openai.RateLimitError) as refused:
                while True:
                    client.models.list()
            headers = refused.exception.response.headers
            wait = int(headers["retry-after-ms"]) / 1000
            self.assertLessEqual(wait, int(headers["retry-after"]))
            self.assertLessEqual(wait, 2)
            self.assertEqual(headers["x-ratelimit-limit-requests"], "30")
        # One more try after that time is enough.
        with server.client("sk-alice", max_retries=1) as client:
            client.models.list()
        with server.client("sk-bob") as client:
            self.assertNotIn(
                "x-ratelimit-limit-requests", client.models.with_raw_response.list().headers)

    def test_tokens_are_counted(self):
        server = start(self, "--rate-limit-tokens", 2000)
        with server.client() as client:
            answer = client.completions.with_raw_response.create(
                model=server.model, prompt=PROMPT, max_tokens=40, temperature=0)
            usage = answer.parse().usage
            left = int(answer.headers["x-ratelimit-remaining-tokens"])
            self.assertLessEqual(left, 2000 - usage.total_tokens)
            stream = client.completions.with_raw_response.create(
                model=server.model, prompt=PROMPT, max_tokens=1, stream=True)
            self.assertIn("x-ratelimit-reset-tokens", stream.headers)
            list(stream.parse())

    def test_hosts_and_origins(self):
        server = start(self, "--cors-origin", "https://chat.example.com")
        # On loopback a web page's own name is refused (DNS rebinding).
        self.assertEqual(self.status(server, Host="evil.example"), 421)
        self.assertEqual(self.status(server, Host=f"localhost:{server.port}"), 200)
        self.assertEqual(self.status(server, "/health", Host="evil.example"), 200)
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        self.addCleanup(connection.close)
        connection.request("OPTIONS", "/v1/chat/completions", headers={
            "Origin": "https://chat.example.com", "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type"})
        answer = connection.getresponse()
        answer.read()
        self.assertEqual(answer.status, 204)
        self.assertEqual(
            answer.headers["Access-Control-Allow-Origin"], "https://chat.example.com")
        self.assertIn("authorization", answer.headers["Access-Control-Allow-Headers"])

    def test_an_address_for_those_who_run_the_server(self):
        server = start(self, 
            "--admin-port", 0, "--api-key", "sk-alice", "--allowed-host", "localhost",
            "--allowed-host", "127.0.0.1")
        for path in ("/health", "/ready", "/metrics"):
            admin = http.client.HTTPConnection("127.0.0.1", server.listening("admin_port"))
            self.addCleanup(admin.close)
            admin.request("GET", path)
            self.assertEqual(admin.getresponse().status, 200)
            self.assertEqual(self.status(server, path, Authorization="Bearer sk-alice"), 404)
        self.assertEqual(self.status(server, Authorization="Bearer sk-alice"), 200)

    def test_exposure_is_named(self):
        server = start(self, "--host", "0.0.0.0")
        server.await_log("no API keys")
        server.await_log("there is no TLS")
        local = start(self, "--host", "127.0.0.1")
        self.assertEqual(local.stop(), 0)
        self.assertNotIn("ANYBODY", local.log)


if __name__ == "__main__":
    unittest.main()
