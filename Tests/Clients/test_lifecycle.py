"""How a server begins and ends, as its clients and its load balancer see it.

    HADAL=.build/release/hadal python -m unittest discover -s Tests/Clients
"""

import http.client
import json
import signal
import threading
import unittest

from server import PATIENCE, PROMPT, start

BODY = {"prompt": PROMPT, "max_tokens": 200, "temperature": 0, "ignore_eos": True, "stream": True}


class Stream(threading.Thread):
    """A client that reads one streamed answer to its end."""

    def __init__(self, port, body=BODY):
        super().__init__(daemon=True)
        self.body = body
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        self.begun = threading.Event()
        self.events = []
        self.answer = self.error = None

    def run(self):
        try:
            self.connection.request(
                "POST", "/v1/completions", json.dumps(self.body),
                {"Content-Type": "application/json"})
            self.answer = self.connection.getresponse()
            for line in self.answer:
                if line.startswith(b"data: "):
                    self.events.append(line[6:].strip())
                    self.begun.set()
        except (OSError, http.client.HTTPException) as error:
            self.error = error
        finally:
            self.begun.set()
            self.connection.close()


class Ends(unittest.TestCase):
    def streams(self, server, count):
        streams = [Stream(server.port) for _ in range(count)]
        for stream in streams:
            stream.start()
        return streams

    def get(self, connection, path):
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def connect(self, server):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        self.addCleanup(connection.close)
        return connection

    def test_streams_end_properly_under_load(self):
        server = start(self, "--drain-seconds", 120)
        streams = self.streams(server, 24)
        for stream in streams[:4]:
            stream.begun.wait()
        server.signal(signal.SIGTERM)
        for stream in streams:
            stream.join()
        self.assertEqual(server.wait(), 0)
        accepted = [stream for stream in streams if stream.answer is not None]
        self.assertGreaterEqual(len(accepted), 4)
        for stream in accepted:
            self.assertIsNone(stream.error)
            self.assertEqual(stream.answer.status, 200)
            self.assertEqual(stream.events[-1], b"[DONE]")
            self.assertEqual(
                json.loads(stream.events[-2])["choices"][0]["finish_reason"], "length")

    def test_load_balancers_learn_first(self):
        server = start(self, "--drain-delay-seconds", 600)
        kept = self.connect(server)
        self.assertEqual(self.get(kept, "/ready")[0], 200)
        server.signal(signal.SIGTERM)
        server.await_log("draining")
        status, headers, body = self.get(kept, "/ready")
        self.assertEqual((status, json.loads(body)), (503, {"status": "draining"}))
        self.assertEqual(headers["Connection"], "close")
        # New clients are still served.
        stream = Stream(server.port)
        stream.start()
        stream.join()
        self.assertEqual(stream.events[-1], b"[DONE]")
        self.assertEqual(self.get(self.connect(server), "/health")[0], 200)
        # A second signal ends at once.
        server.signal(signal.SIGTERM)
        self.assertGreater(server.wait(), 0)

    def test_the_delay_has_an_end(self):
        server = start(self, "--drain-delay-seconds", 1, "--drain-seconds", 60)
        kept = self.connect(server)
        self.assertEqual(self.get(kept, "/ready")[0], 200)
        self.assertEqual(server.stop(), 0)

    def test_the_time_to_drain_has_an_end(self):
        server = start(self, "--drain-seconds", 0)
        streams = self.streams(server, 2)
        streams[0].begun.wait()
        self.assertEqual(server.stop(), 0)

    def test_a_slow_step_is_looked_into(self):
        # With so little time an engine that computes prompts is taken for a stalled one.
        server = start(
            self, "--stall-seconds", 0.001, "--drain-seconds", 0, "--target-step-ms", 1000,
            "--no-prefix-cache")
        long = {"prompt": "Once upon a time there was a bird. " * 100, "max_tokens": 1,
                "stream": True}
        over = threading.Event()

        def keep_busy():
            while not over.is_set():
                stream = Stream(server.port, long)
                stream.start()
                stream.join()

        clients = [threading.Thread(target=keep_busy, daemon=True) for _ in range(4)]
        for client in clients:
            client.start()
        server.await_log("the engine is stalled")
        server.await_log("stack of thread engine:")
        # One that is looked at between two passes is not the last.
        server.await_log("DeepSeekModel")
        over.set()
        for client in clients:
            client.join()
        # Having been looked at does it no harm.
        stream = Stream(server.port)
        stream.start()
        stream.join()
        self.assertEqual(stream.events[-1], b"[DONE]")

    def test_it_listens_while_it_loads(self):
        server = start(self, "--drain-seconds", 1, waits=False)
        server.port = server.listening()
        connection = self.connect(server)
        self.assertEqual(self.get(connection, "/health")[0], 200)
        # It may be ready by now: the demo model is small.
        status, headers, body = self.get(connection, "/v1/models")
        self.assertTrue(status == 200 or (status == 503 and headers["Retry-After"]), body)
        server.await_ready()
        self.assertEqual(self.get(connection, "/ready")[0], 200)


if __name__ == "__main__":
    unittest.main()
