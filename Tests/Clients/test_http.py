"""The server under clients that speak HTTP for themselves: h11, curl, and bare sockets.

    HADAL=.build/release/hadal python -m unittest discover -s Tests/Clients
"""

import http.client
import json
import os
import pathlib
import random
import re
import resource
import signal
import socket
import subprocess
import tempfile
import unittest

import h11

from server import PATIENCE, start

REFUSALS = pathlib.Path(__file__).parent.parent / "Fixtures" / "http" / "refusals.txt"
EXCHANGES = int(os.environ.get("HADAL_HTTP_EXCHANGES", "4000"))
HOST = "localhost"


def ask(connection, path):
    """Status and body of one exchange; (None, b"") when the server hung up without a word."""
    try:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, answer.read()
    except (http.client.BadStatusLine, ConnectionError):
        return None, b""


def status(server, path="/health"):
    with server.connect() as connection:
        return ask(connection, path)[0]


class ServerTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = start(cls)

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0


class Exchange:
    """A random request, and what its answer must be."""

    TEXTS = ["", "a", "Hello, world", "héllo 世界 😀", "x" * 3000, "{\"a\": [1, 2]}\n" * 50]
    tokens = {}

    def __init__(self, draw, is_last):
        self.draw = draw
        self.status = 200
        self.body = None
        self.trailers = []
        self.method, self.path = draw.choice([
            ("GET", "/health"), ("HEAD", "/health"), ("OPTIONS", "/health"), ("OPTIONS", "*"),
            ("GET", "/v1/models"), ("GET", "/v1/models/none"), ("GET", "/no%20where?x=/?"),
            ("GET", "/v1/completions"), ("POST", "/nowhere"), ("POST", "/tokenize"),
            ("POST", "/tokenize"), ("POST", "/tokenize"), ("POST", "/tokenize")])
        if self.method == "OPTIONS":
            self.status = 204
        elif self.path == "/v1/completions":
            self.status = 405
        elif self.path not in ("/health", "/v1/models", "/tokenize"):
            self.status = 404
        self.headers = [("Host", HOST)]
        for number in range(draw.randrange(4)):
            self.headers.append((f"X-{number}", "v" * draw.randrange(200)))
        if is_last:
            self.headers.append(("Connection", "close"))
        if self.method == "POST" or draw.random() < 0.1:
            self.add_body()

    def add_body(self):
        self.text = self.draw.choice(self.TEXTS)
        self.body = json.dumps({"prompt": self.text, "add_special_tokens": False}).encode()
        self.headers.append(("Content-Type", "application/json"))
        if self.draw.random() < 0.5:
            self.headers.append(("Content-Length", str(len(self.body))))
        else:
            self.headers.append(("Transfer-Encoding", "chunked"))
            self.trailers = self.draw.choice([[], [("X-Sum", "1")]])
        if self.draw.random() < 0.3:
            self.headers.append(("Expect", "100-continue"))

    def write(self, connection):
        """The request's bytes, by an h11 connection."""
        yield connection.send(
            h11.Request(method=self.method, target=self.path, headers=self.headers))
        rest = self.body or b""
        while rest:
            count = self.draw.choice([1, 7, 100, 5000])
            yield connection.send(h11.Data(data=rest[:count]))
            rest = rest[count:]
        yield connection.send(h11.EndOfMessage(headers=self.trailers))


class H11(ServerTest):
    """Thousands of exchanges, pipelined and cut anywhere, read by h11."""

    def setUp(self):
        for text in Exchange.TEXTS:
            with self.server.connect() as connection:
                body = json.dumps({"prompt": text, "add_special_tokens": False})
                client = http.client.HTTPConnection(HOST)
                client.sock = connection
                client.request("POST", "/tokenize", body, {"Content-Type": "application/json"})
                Exchange.tokens[text] = json.load(client.getresponse())["tokens"]

    def test_exchanges(self):
        seed = random.SystemRandom().getrandbits(64)
        draw = random.Random(seed)
        print(f"{EXCHANGES} exchanges with h11, seed {seed}")
        done = 0
        with self.subTest(seed=seed):
            while done < EXCHANGES:
                done += self.converse(draw)

    def converse(self, draw):
        """One connection; the number of its exchanges."""
        batches = [draw.choice([1, 1, 2, 8, 30]) for _ in range(draw.randint(1, 6))]
        reader = h11.Connection(h11.CLIENT)
        closes = draw.random() < 0.5
        done = 0
        with self.server.connect() as connection:
            for number, count in enumerate(batches):
                is_last = closes and number == len(batches) - 1
                exchanges = [Exchange(draw, is_last and i == count - 1) for i in range(count)]
                self.send_batch(connection, exchanges, draw)
                for exchange in exchanges:
                    for _ in exchange.write(reader):
                        pass
                    self.read(connection, exchange, reader, draw)
                    done += 1
                    if reader.our_state is h11.DONE:
                        reader.start_next_cycle()
                    elif not (closes and done == sum(batches)):
                        # A body that was on its way when its head had decided the answer.
                        self.assertIsNotNone(exchange.body)
                        self.assertNotEqual(exchange.path, "/tokenize")
                        self.assertEqual(connection.recv(1), b"")
                        return done
            if closes:
                self.assertIs(reader.our_state, h11.MUST_CLOSE)
                self.assertEqual(connection.recv(1), b"")
        return done

    def send_batch(self, connection, exchanges, draw):
        data = b""
        for exchange in exchanges:
            # A connection for each: h11 awaits the answer before it writes another request.
            data += b"".join(exchange.write(h11.Connection(h11.CLIENT)))
        longest = draw.choice([5, 200, 100_000])
        while data:
            count = draw.randint(1, longest)
            connection.sendall(data[:count])
            data = data[count:]
            if longest == 5 and len(data) > 500:
                longest = 100_000

    def read(self, connection, exchange, reader, draw):
        answer, body = None, b""
        while True:
            event = reader.next_event()
            if event is h11.NEED_DATA:
                reader.receive_data(connection.recv(draw.choice([1, 50, 65_536])))
            elif isinstance(event, h11.InformationalResponse):
                self.assertEqual(event.status_code, 100)
                self.assertIn(("Expect", "100-continue"), exchange.headers)
            elif isinstance(event, h11.Response):
                answer = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                self.fail(f"{event} instead of an answer")
        self.assertEqual(answer.status_code, exchange.status, (exchange.method, exchange.path))
        if exchange.method in ("HEAD", "OPTIONS"):
            self.assertEqual(body, b"")
        elif exchange.path == "/tokenize":
            self.assertEqual(json.loads(body)["tokens"], Exchange.tokens[exchange.text])
        else:
            self.assertIsInstance(json.loads(body), dict)
        if exchange.method == "OPTIONS":
            self.assertIn("OPTIONS", dict(answer.headers)[b"allow"].decode())


class Curl(ServerTest):
    """Thousands of exchanges on kept connections, read by curl."""

    def curl(self, *arguments):
        result = subprocess.run(
            ["curl", "-sS", "--max-time", "120", *arguments], capture_output=True, text=True)
        self.assertEqual(result.stderr, "")
        return result.stdout

    def test_many(self):
        code = ["-o", "/dev/null", "-w", "%{http_code} "]
        url = self.server.url
        self.assertEqual(self.curl(*code, f"{url}/health?n=[1-2500]"), "200 " * 2500)
        self.assertEqual(self.curl("-I", *code, f"{url}/v1/models?n=[1-200]"), "200 " * 200)
        for framing in ("Content-Type: application/json", "Transfer-Encoding: chunked"):
            answers = self.curl(
                "-H", "Content-Type: application/json", "-H", framing, "-H", "Expect: 100-continue",
                "--data-binary", '{"prompt": "Hello, world"}', f"{url}/tokenize?n=[1-300]")
            self.assertEqual(answers.count('"count"'), 300)

    def test_both_families(self):
        server = start(self, "--host", "::")
        port = server.port
        self.assertEqual(server.url, f"http://[::]:{port}")
        for address in ("127.0.0.1", "[::1]"):
            self.assertEqual(
                self.curl(f"http://{address}:{port}/health"), '{"status":"ok"}')

    def test_restart_on_the_same_port(self):
        """A new server joins, the old one is told to end, and every client is served."""
        old = start(self, "--reuse-port")
        new = start(self, "--reuse-port", port=old.port)
        turned_away = 0
        for number in range(400):
            if number == 100:
                old.signal(signal.SIGTERM)
            if (found := status(new)) != 200:
                # The system does it to who comes between the old one's last look and its end.
                self.assertIsNone(found)
                turned_away += 1
                self.assertEqual(status(new), 200)
        self.assertLessEqual(turned_away, 1)
        self.assertEqual(old.wait(), 0)

    def test_unix_socket(self):
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/hadal.sock"
            server = start(self, "--host", f"unix:{path}", "--socket-mode", "600")
            self.assertEqual(server.url, f"unix:{path}")
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
            # A killed server leaves its file, which the next one takes over.
            server.close()
            self.assertTrue(os.path.exists(path))
            server = start(self, "--host", f"unix:{path}")
            self.assertEqual(
                self.curl("--unix-socket", path, "http://x/health"), '{"status":"ok"}')
            self.assertEqual(server.stop(), 0)
            self.assertFalse(os.path.exists(path))


class Refusals(ServerTest):
    """What may not be asked, over a real connection."""

    @staticmethod
    def unescape(text):
        text = re.sub(r"\\\{(\d+),(.)\}", lambda m: m[2] * int(m[1]), text)
        plain = {"r": b"\r", "n": b"\n", "t": b"\t", "\\": b"\\"}
        parts = re.findall(r"\\x([0-9a-f]{2})|\\(.)|([^\\]+)", text)
        return b"".join(
            bytes.fromhex(code) if code else plain[kind] if kind else rest.encode()
            for code, kind, rest in parts)

    def test_corpus(self):
        lines = [line for line in REFUSALS.read_text().split("\n") if line and line[0] != "#"]
        for line in lines:
            status, name, text = line.split("\t")
            data = self.unescape(text)
            cut = random.randrange(len(data))
            with self.subTest(name=name, cut=cut), self.server.connect() as connection:
                connection.sendall(data[:cut])
                connection.sendall(data[cut:])
                answer = b""
                while more := connection.recv(65_536):
                    answer += more
                self.assertEqual(answer.split()[1].decode(), status)
                self.assertIn(b"\r\nConnection: close\r\n", answer)
                self.assertIn(b'{"error":', answer)


class FewDescriptors(unittest.TestCase):
    """The process is about to run out of descriptors."""

    def setUp(self):
        self.server = start(self, "--max-connections", 500)
        self.hard = resource.prlimit(self.server.process.pid, resource.RLIMIT_NOFILE)[1]

    def allow(self, limit):
        resource.prlimit(self.server.process.pid, resource.RLIMIT_NOFILE, (limit, self.hard))

    def rest(self):
        """Waits until every thread sleeps: none is within accept(2), which has its number then."""
        states = None
        while states != {"S"}:
            tasks = pathlib.Path(f"/proc/{self.server.process.pid}/task").iterdir()
            try:
                states = {
                    (task / "stat").read_text().rpartition(")")[2].split()[0] for task in tasks}
            except (FileNotFoundError, ProcessLookupError):
                pass  # A thread has ended meanwhile.

    def test_none_left(self):
        """accept(2) fails with EMFILE; its client waits until there is one again."""
        self.assertEqual(status(self.server), 200)
        self.rest()
        # Standard input's number is the only one below the limit.
        self.allow(1)
        with self.server.connect() as waiting:
            waiting.settimeout(1)
            waiting.sendall(f"GET /health HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
            with self.assertRaises(TimeoutError):
                waiting.recv(1)
            self.allow(self.hard)
            waiting.settimeout(PATIENCE)
            self.assertTrue(waiting.recv(100).startswith(b"HTTP/1.1 200 "))
        self.assertEqual(status(self.server), 200)

    def test_few_left(self):
        """Some are kept for the rest of the process; who has one is served on."""
        self.allow(len(os.listdir(f"/proc/{self.server.process.pid}/fd")) + 50)
        clients = [self.server.connect() for _ in range(120)]
        try:
            served = [client for client in clients[:30] if ask(client, "/health")[0] == 200]
            self.assertGreater(len(served), 5)
            self.assertLess(len(served), 30)
            for client in served:
                self.assertEqual(ask(client, "/v1/models")[0], 200)
        finally:
            for client in clients:
                client.close()
        # Whoever comes when they have gone is served again, sooner or later.
        while status(self.server) != 200:
            self.assertIsNone(self.server.process.poll())


if __name__ == "__main__":
    unittest.main()
