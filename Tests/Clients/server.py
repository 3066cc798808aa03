"""A server for tests that need one of their own."""

import os
import signal
import subprocess
import threading

import openai

PROMPT = "Once upon a time there was a"


class Server:
    """Runs until stopped; what it logs is kept."""

    def __init__(self, *arguments, waits=True, **variables):
        self.process = subprocess.Popen(
            [os.environ["HADAL"], "serve", "--port", "0", *map(str, arguments)],
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

    def await_ready(self):
        for line in self.process.stdout:
            if line.startswith("Listening on "):
                self.url = line.split()[-1].replace("0.0.0.0", "127.0.0.1")
                self.port = int(self.url.rsplit(":", 1)[1])
                return
        raise RuntimeError("the server did not start: " + self.stop())

    def await_log(self, words):
        """The first line with these words; fails when none comes."""
        with self.news:
            found = self.news.wait_for(
                lambda: [line for line in self.lines if words in line] or self.lines[-1:] == [""],
                timeout=60)
        if not isinstance(found, list):
            raise AssertionError(f"never logged: {words}\n" + "".join(self.lines))
        return found[0]

    def logged(self, words, times=1):
        """Waits until so many lines say so."""
        with self.news:
            return self.news.wait_for(
                lambda: sum(words in line for line in self.lines) >= times, timeout=60)

    def hang_up(self):
        self.process.send_signal(signal.SIGHUP)

    def client(self, key="none", **options):
        options = {"max_retries": 0, "timeout": 120} | options
        return openai.OpenAI(base_url=self.url + "/v1", api_key=key, **options)

    @property
    def model(self):
        with self.client() as client:
            return client.models.list().data[0].id

    def stop(self):
        """Ends it at once; returns its log."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()
        self.process.stderr.close()
        return "".join(self.lines)
