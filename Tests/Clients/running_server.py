"""A server of the program under test, run beside the tests."""

import os
import signal
import subprocess
import threading


class Server:
    """A server whose log is at hand."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [os.environ["HADAL"], "serve", "--port", "0", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.log = []
        self.news = threading.Condition()
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        self.url = next(
            line.split()[-1] for line in self.process.stdout if line.startswith("Listening on "))
        self.port = int(self.url.rpartition(":")[2])

    def read(self):
        for line in self.process.stderr:
            with self.news:
                self.log.append(line)
                self.news.notify_all()

    def logged(self, text, times=1):
        """Waits until so many lines say so."""
        with self.news:
            return self.news.wait_for(lambda: sum(text in line for line in self.log) >= times, 60)

    def hang_up(self):
        self.process.send_signal(signal.SIGHUP)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()
        self.process.stderr.close()
