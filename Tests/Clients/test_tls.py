"""HTTPS as clients see it: Python's ssl and http modules, and the OpenAI client.

    HADAL=.build/release/hadal python -m unittest discover -s Tests/Clients

The openssl command makes the certificates.
"""

import http.client
import json
import os
import pathlib
import signal
import ssl
import subprocess
import tempfile
import threading
import unittest
import warnings

import openai

from server import PATIENCE, start

PROMPT = {"prompt": "Once upon a time there was a", "max_tokens": 24, "temperature": 0}


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Certificates:
    """A folder with an authority and what it signed."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def __getattr__(self, name):
        """ca_pem is the path of ca.pem."""
        return str(self.folder / name.replace("_", "."))

    def authority(self, name):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-days", 30, "-subj", f"/CN={name}", "-keyout", self.folder / f"{name}.key",
                "-out", self.folder / f"{name}.pem",
                "-addext", "basicConstraints=critical,CA:TRUE")

    def sign(self, name, authority="ca", key="rsa:2048", days=30):
        pem, request = self.folder / f"{name}.pem", self.folder / f"{name}.csr"
        openssl("req", "-new", "-newkey", key, "-nodes", "-subj", f"/CN={name}", "-keyout",
                self.folder / f"{name}.key", "-out", request,
                "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
        openssl("x509", "-req", "-in", request, "-CA", self.folder / f"{authority}.pem", "-CAkey",
                self.folder / f"{authority}.key", "-CAcreateserial", "-copy_extensions", "copy",
                "-days", days, "-out", pem)


class CertificateTest(unittest.TestCase):
    """Has an authority, and a server's certificate that it signed."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.files = Certificates(folder.name)
        cls.files.authority("ca")
        cls.files.sign("server")


class TLSTest(CertificateTest):
    @classmethod
    def serve(cls, *arguments):
        return start(
            cls, "--tls-cert", cls.files.server_pem, "--tls-key", cls.files.server_key, *arguments)

    def context(self, authority="ca", version=None):
        context = ssl.create_default_context(cafile=str(self.files.folder / f"{authority}.pem"))
        if version:
            with warnings.catch_warnings():
                # The old versions are deprecated, which is the point.
                warnings.simplefilter("ignore", DeprecationWarning)
                context.minimum_version = context.maximum_version = version
        return context

    def connect(self, server, context):
        plain = server.connect()
        try:
            return context.wrap_socket(plain, server_hostname="localhost")
        except BaseException:
            plain.close()
            raise

    def get(self, server, context, path="/health"):
        client = http.client.HTTPSConnection(
            "localhost", server.port, context=context, timeout=PATIENCE)
        try:
            client.request("GET", path)
            answer = client.getresponse()
            return answer.status, json.load(answer)
        finally:
            client.close()


class Protocol(TLSTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.serve()

    def test_address(self):
        self.assertEqual(self.server.url, f"https://127.0.0.1:{self.server.port}")

    def test_versions(self):
        for version, name in [(ssl.TLSVersion.TLSv1_2, "TLSv1.2"),
                              (ssl.TLSVersion.TLSv1_3, "TLSv1.3")]:
            context = self.context(version=version)
            with self.connect(self.server, context) as client:
                self.assertEqual(client.version(), name)
                self.assertIsNone(client.compression())
            self.assertEqual(self.get(self.server, context), (200, {"status": "ok"}))
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            context = self.context(version=version)
            context.set_ciphers("ALL:@SECLEVEL=0")
            with self.assertRaisesRegex(ssl.SSLError, "(?i)protocol.version"):
                self.connect(self.server, context)

    def test_ciphers(self):
        for cipher in ("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384",
                       "ECDHE-RSA-CHACHA20-POLY1305"):
            context = self.context(version=ssl.TLSVersion.TLSv1_2)
            context.set_ciphers(cipher)
            with self.connect(self.server, context) as client:
                self.assertEqual(client.cipher()[0], cipher)
        for cipher in ("AES128-GCM-SHA256", "AES256-SHA", "ECDHE-RSA-AES128-SHA256",
                       "ECDHE-RSA-AES256-SHA", "DHE-RSA-AES256-GCM-SHA384", "aNULL"):
            context = self.context(version=ssl.TLSVersion.TLSv1_2)
            context.set_ciphers(f"{cipher}:@SECLEVEL=0")
            with self.assertRaisesRegex(ssl.SSLError, "(?i)handshake.failure"):
                self.connect(self.server, context)

    def test_application_protocol(self):
        context = self.context()
        context.set_alpn_protocols(["h2", "http/1.1"])
        with self.connect(self.server, context) as client:
            self.assertEqual(client.selected_alpn_protocol(), "http/1.1")
        context.set_alpn_protocols(["h2"])
        with self.assertRaisesRegex(ssl.SSLError, "(?i)no.application.protocol"):
            self.connect(self.server, context)

    def test_plain_http(self):
        client = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)
        client.request("GET", "/health")
        answer = client.getresponse()
        self.assertEqual(answer.status, 400)
        self.assertIn("HTTPS", json.load(answer)["error"]["message"])
        client.close()

    def test_end(self):
        """The server answers a close with its own: unwrap raises without."""
        with self.connect(self.server, self.context()) as client:
            client.sendall(b"GET /health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            answer = b""
            while more := client.recv(4096):
                answer += more
            self.assertTrue(answer.endswith(b'{"status":"ok"}'))
            client.unwrap().close()

    def test_openai_client(self):
        with openai.DefaultHttpxClient(verify=self.context()) as transport:
            client = openai.OpenAI(base_url=f"https://localhost:{self.server.port}/v1",
                                   api_key="none", max_retries=0, http_client=transport)
            model = client.models.list().data[0].id
            whole = client.completions.create(model=model, **PROMPT).choices[0].text
            parts = client.completions.create(model=model, stream=True, **PROMPT)
            self.assertEqual("".join(part.choices[0].text for part in parts), whole)


class Certificate(TLSTest):
    def refusal(self, *arguments):
        result = subprocess.run(
            [os.environ["HADAL"], "serve", "--port", "0", *arguments],
            capture_output=True, text=True, timeout=PATIENCE)
        self.assertNotEqual(result.returncode, 0)
        self.assertNotIn("Listening", result.stdout)
        return result.stderr

    def test_refusals(self):
        files = self.files
        files.sign("other")
        openssl("rsa", "-in", files.server_key, "-aes256", "-passout", "pass:secret",
                "-out", files.locked_key)
        cert, key = ("--tls-cert", files.server_pem), ("--tls-key", files.server_key)
        for arguments, text in [
            (cert, "--tls-cert and --tls-key need each other"),
            (key, "--tls-cert and --tls-key need each other"),
            (("--tls-client-ca", files.ca_pem), "--tls-client-ca needs"),
            (("--tls-cert", files.none_pem) + key, f"{files.none_pem}: open: No such file"),
            (cert + ("--tls-key", files.none_key), f"{files.none_key}: open: No such file"),
            (("--tls-cert", files.server_key) + key, "no readable certificate"),
            (cert + ("--tls-key", files.server_pem), "no readable private key"),
            (cert + ("--tls-key", files.other_key), "does not match"),
            (cert + ("--tls-key", files.locked_key), "protected by a password"),
            (cert + key + ("--tls-client-ca", files.none_pem), "No such file"),
        ]:
            with self.subTest(text):
                self.assertIn(text, self.refusal(*arguments))

    def test_expired_is_a_warning(self):
        self.files.sign("server", days=-1)
        server = self.serve()
        server.await_log("the certificate expired on")
        with self.assertRaisesRegex(ssl.SSLCertVerificationError, "expired"):
            self.get(server, self.context())
        self.files.sign("server")

    def test_client_certificates(self):
        self.files.authority("strangers")
        self.files.sign("friend")
        self.files.sign("stranger", authority="strangers")
        server = self.serve("--tls-client-ca", self.files.ca_pem)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = self.context(version=version)
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                self.get(server, context)
            context.load_cert_chain(self.files.stranger_pem, self.files.stranger_key)
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                self.get(server, context)
            context = self.context(version=version)
            context.load_cert_chain(self.files.friend_pem, self.files.friend_key)
            self.assertEqual(self.get(server, context)[0], 200)


class Reload(TLSTest):
    def stream(self, server, context, failures, started):
        """Reads one long stream and notes whatever keeps it from its proper end."""
        try:
            client = http.client.HTTPSConnection(
                "localhost", server.port, context=context, timeout=PATIENCE)
            body = PROMPT | {"max_tokens": 400, "stream": True, "ignore_eos": True,
                             "stream_options": {"include_usage": True}}
            client.request(
                "POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
            answer = client.getresponse()
            first = answer.readline()
            started.release()
            text = first + answer.read()
            events = text.split(b"\n\n")
            usage = json.loads(events[-3].removeprefix(b"data: "))["usage"]
            if events[-2:] != [b"data: [DONE]", b""] or usage["completion_tokens"] != 400:
                failures.append(text[-200:])
            client.close()
        except Exception as error:
            failures.append(error)
            started.release()

    def test_streams_survive(self):
        self.files.authority("next")
        server = self.serve()
        failures, started = [], threading.Semaphore(0)
        threads = []
        for round in range(6):
            authority = ["ca", "next"][round % 2]
            for _ in range(3):
                arguments = (server, self.context(authority), failures, started)
                threads.append(threading.Thread(target=self.stream, args=arguments))
                threads[-1].start()
            for _ in range(3):
                started.acquire()
            self.files.sign("server", authority=["next", "ca"][round % 2])
            server.signal(signal.SIGHUP)
            server.await_log("certificate reloaded", times=round + 1)
            with self.assertRaises(ssl.SSLCertVerificationError):
                self.get(server, self.context(authority))
            self.assertEqual(self.get(server, self.context(["next", "ca"][round % 2]))[0], 200)
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])

    def test_bad_file_keeps_the_old_one(self):
        self.files.sign("server")
        server = self.serve()
        key = pathlib.Path(self.files.server_key)
        good = key.read_text()
        key.write_text("nothing")
        server.signal(signal.SIGHUP)
        server.await_log("the former one stays")
        server.await_log("no readable private key")
        self.assertEqual(self.get(server, self.context())[0], 200)
        key.write_text(good)
        server.signal(signal.SIGHUP)
        server.await_log("certificate reloaded")


if __name__ == "__main__":
    unittest.main()
