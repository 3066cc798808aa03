"""Servers of their own for tests."""

import os
import re
import signal
import socket
import subprocess
import threading
import urllib.error
import urllib.request

import openai

PROMPT = "Once upon a time there was a"
# Seconds after which what should have happened is missed: long, for only a test that fails waits
# for so long, and the machine may be busy with other things.
PATIENCE = 120


class Server:
    """Runs until stopped; what it logs is kept."""

    def __init__(self, *arguments, port=0, waits=True, **variables):
        """Options of `hadal serve`, and variables of its environment. Without a port other layers
        of the configuration name it."""
        listening = [] if port is None else ["--port", port]
        self.process = subprocess.Popen(
            [os.environ["HADAL"], "serve", *map(str, [*listening, *arguments])],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | variables)
        self.lines = []
        self.news = threading.Condition()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        if waits:
            self.await_ready()

    def read(self):
        for line in self.process.stderr:
            with self.news:
                self.lines.append(line)
                self.news.notify_all()
        with self.news:
            self.lines.append("")
            self.news.notify_all()

    # Its life

    def await_ready(self):
        for line in self.process.stdout:
            if line.startswith("Listening on "):
                self.url = line.split()[-1].replace("0.0.0.0", "127.0.0.1")
                if "://" in self.url:
                    self.port = int(self.url.rpartition(":")[2])
                return
        self.close()
        raise AssertionError("the server did not start:\n" + self.log)

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self):
        """Its exit status, once it has ended. Then the log is whole."""
        status = self.process.wait(PATIENCE)
        self.reader.join()
        return status

    def stop(self):
        """Asks it to end; returns its exit status."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def close(self):
        """Ends it at once. It must not have crashed before."""
        self.process.kill()
        status = self.wait()
        self.process.stdout.close()
        self.process.stderr.close()
        if status < 0 and status != -signal.SIGKILL:
            raise AssertionError(f"the server crashed, status {status}:\n" + self.log)

    # Its log

    @property
    def log(self):
        return "".join(self.lines)

    def await_log(self, words, times=1):
        """The last of so many lines with these words; fails when they do not come."""
        def found():
            return [line for line in self.lines if words in line]

        with self.news:
            self.news.wait_for(
                lambda: len(found()) >= times or self.lines[-1:] == [""], PATIENCE)
            if len(found()) < times:
                raise AssertionError(f"not logged {times} times: {words}\n" + self.log)
            return found()[times - 1]

    def listening(self, name="port"):
        """The port that its log calls so."""
        return int(re.search(rf"\b{name}=(\d+)", self.await_log("listening"))[1])

    # Its clients

    def client(self, key="none", **options):
        options = {"max_retries": 0, "timeout": PATIENCE} | options
        return openai.OpenAI(base_url=self.url + "/v1", api_key=key, **options)

    @property
    def model(self):
        with self.client() as client:
            return client.models.list().data[0].id

    def get(self, path, **headers):
        """Status, header and text of an answer."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.url + path, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read().decode()

    def connect(self):
        """A bare connection."""
        if self.url.startswith("unix:"):
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(PATIENCE)
            connection.connect(self.url.removeprefix("unix:"))
        else:
            connection = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


def start(test, *arguments, **options):
    """A server that ends with the test or the class of tests."""
    server = Server(*arguments, **options)
    clean_up = test.addClassCleanup if isinstance(test, type) else test.addCleanup
    clean_up(server.close)
    return server


def hold_port(test):
    """A port of 127.0.0.1 at which nobody listens. Until the test ends the system gives it to
    nobody who asks for any; who names it and sets SO_REUSEADDR, as servers do, may listen there."""
    holder = socket.socket()
    test.addCleanup(holder.close)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    return holder.getsockname()[1]
