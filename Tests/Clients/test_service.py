"""A server as a service manager and a proxy see it.

    HADAL=.build/release/hadal python -m unittest discover -s Tests/Clients
"""

import concurrent.futures
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.request

from server import PATIENCE, hold_port, start

ROOT = pathlib.Path(__file__).parent.parent.parent
HAPROXY = shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin")


def replica(test, name, **variables):
    """A server with a name that its answers carry."""
    return start(
        test, "--threads", 1, "--served-model-name", name, "--drain-seconds", 300, **variables)


def post(url, headers, connection=None, **body):
    """The answer, over a connection that stays open or one of its own."""
    body = json.dumps({"max_tokens": 8, "temperature": 0, "ignore_eos": True} | body).encode()
    headers = {"Content-Type": "application/json"} | headers
    if connection:
        connection.request("POST", "/v1/completions", body, headers)
        return connection.getresponse()
    return urllib.request.urlopen(
        urllib.request.Request(url + "/v1/completions", body, headers), timeout=PATIENCE)


def complete(url, headers, connection=None, **body):
    """Who answered, what, and how many tokens of the prompt came from the prefix cache."""
    with post(url, headers, connection, **body) as answer:
        answer = json.load(answer)
    usage = answer["usage"]
    return (answer["model"], answer["choices"][0]["text"],
            usage["prompt_tokens_details"]["cached_tokens"])


class Stream:
    """A streamed answer that has begun."""

    def __init__(self, url, headers, **body):
        self.answer = post(url, headers, stream=True, max_tokens=900, **body)
        self.lines = [self.answer.readline()]
        self.name = json.loads(self.lines[0].removeprefix(b"data: "))["model"]

    def is_whole(self):
        """Reads to the end."""
        with self.answer:
            try:
                self.lines += self.answer.readlines()
            except (OSError, http.client.HTTPException):
                return False
        return self.lines[-2] == b"data: [DONE]\n"


class ServiceManager(unittest.TestCase):
    def test_is_told_of_start_and_end(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in folder + "/notify", f"@hadal-{os.getpid()}":
                with self.subTest(name=name), \
                        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
                    manager.settimeout(PATIENCE)
                    manager.bind(re.sub("^@", "\0", name))
                    server = start(self, NOTIFY_SOCKET=name)
                    self.assertEqual(manager.recv(100), b"READY=1")
                    self.assertEqual(server.get("/health")[0], 200)
                    self.assertEqual(server.stop(), 0)
                    self.assertEqual(manager.recv(100), b"STOPPING=1")

    def test_nobody_has_to_listen(self):
        for name in "/nowhere/notify", "@" + "x" * 200, "relative", "":
            server = start(self, NOTIFY_SOCKET=name)
            self.assertEqual(server.get("/health")[0], 200)


@unittest.skipUnless(HAPROXY, "haproxy is not installed")
class Proxy(unittest.TestCase):
    """Three replicas behind deploy/haproxy/haproxy.cfg, its addresses alone replaced."""

    def setUp(self):
        self.replicas = {name: replica(self, name) for name in ("one", "two", "three")}
        port = hold_port(self)
        text = (ROOT / "deploy/haproxy/haproxy.cfg").read_text()
        text = text.replace("bind :8000", f"bind 127.0.0.1:{port}")
        for number, server in enumerate(self.replicas.values()):
            text, count = re.subn(
                rf"192\.0\.2\.1{number + 1}:8080 port 8081", f"127.0.0.1:{server.port}", text)
            self.assertEqual(count, 1)
        file = tempfile.NamedTemporaryFile("w", suffix=".cfg")
        self.addCleanup(file.close)
        file.write(text)
        file.flush()
        # It tells its parent, like a service manager, when it accepts connections.
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(notify.close)
        notify.settimeout(PATIENCE)
        notify.bind("")
        name = notify.getsockname().decode().replace("\0", "@")
        messages = tempfile.TemporaryFile("w+")
        self.addCleanup(messages.close)
        proxy = subprocess.Popen(
            [HAPROXY, "-Ws", "-f", file.name], stdout=subprocess.DEVNULL, stderr=messages,
            env=os.environ | {"NOTIFY_SOCKET": name})
        self.addCleanup(proxy.wait)
        self.addCleanup(proxy.terminate)
        try:
            while b"READY=1" not in notify.recv(1000):
                pass
        except TimeoutError:
            messages.seek(0)
            self.fail(messages.read())
        self.url = f"http://127.0.0.1:{port}"

    def sessions(self, count):
        return [{"X-Session-Id": f"session {number}"} for number in range(count)]

    def test_a_session_stays_where_its_prefix_is(self):
        # A client with an open connection, like OpenAI's: on a second one the proxy may see a
        # request before it has counted the last one's end, and spread the two.
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=PATIENCE)
        self.addCleanup(connection.close)
        turns = {}
        for headers in self.sessions(12) + [{"Authorization": f"Bearer {n}"} for n in range(6)]:
            who = str(headers)
            # More than a page of the cache, different from the first token on.
            prompt = f"{who} {who} " + "told a long story. " * 30
            for turn in range(3):
                name, text, cached = complete(self.url, headers, connection, prompt=prompt)
                turns.setdefault(who, []).append(name)
                # Prompts share their first words at most.
                self.assertEqual(cached > 64, turn > 0, (who, turn, name, cached))
                prompt += text + " And then? "
        for who, names in turns.items():
            self.assertEqual(len(set(names)), 1, who)
        self.assertEqual({names[0] for names in turns.values()}, set(self.replicas))

    def test_a_killed_replica_takes_only_its_own_streams_along(self):
        with concurrent.futures.ThreadPoolExecutor(24) as pool:
            prompt = "Once upon a time"
            streams = list(pool.map(
                lambda headers: Stream(self.url, headers, prompt=prompt), self.sessions(12)))
            victim = streams[0].name
            self.replicas[victim].signal(signal.SIGKILL)
            self.replicas[victim].wait()
            # The sessions of the dead one come too, before a check of its health.
            others = [
                pool.submit(complete, self.url, headers, prompt=prompt)
                for headers in self.sessions(12) * 4]
            for other in others:
                self.assertNotEqual(other.result()[0], victim)
            survivors = [stream for stream in streams if stream.name != victim]
            self.assertLess(len(survivors), len(streams))
            self.assertGreater(len(survivors), 0)
            for stream in streams:
                if stream.name == victim:
                    stream.is_whole()
                else:
                    self.assertTrue(stream.is_whole(), stream.lines[-2:])

    def test_a_stopping_replica_ends_its_streams(self):
        with concurrent.futures.ThreadPoolExecutor(24) as pool:
            streams = list(pool.map(
                lambda headers: Stream(self.url, headers, prompt="Once"), self.sessions(12)))
            name = streams[0].name
            self.replicas[name].signal(signal.SIGTERM)
            for stream in streams:
                self.assertTrue(stream.is_whole(), stream.lines[-2:])
            self.assertEqual(self.replicas[name].wait(), 0)
            for other, _, _ in pool.map(
                    lambda headers: complete(self.url, headers, prompt="Once"),
                    self.sessions(12)):
                self.assertNotEqual(other, name)

    def test_metrics_are_not_for_clients(self):
        with self.assertRaises(urllib.error.HTTPError) as refusal:
            urllib.request.urlopen(self.url + "/metrics")
        self.assertEqual(refusal.exception.code, 403)
        refusal.exception.close()


if __name__ == "__main__":
    unittest.main()
