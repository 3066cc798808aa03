"""`hadal loadtest` over https: against hadal's own TLS server and against Python's.

    HADAL=.build/release/hadal python -m unittest discover -s Tests/Clients
"""

import os
import ssl
import unittest
import warnings

from server import start
from test_loadtest import TOKENS, loadtest, report, serve_known
from test_tls import CertificateTest

FEW = ("--concurrency", 2, "--requests", 4)


class PythonServer(CertificateTest):
    """An independent server, which also tells what names it was asked for."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.files.authority("other")

    def setUp(self):
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.load_cert_chain(self.files.server_pem, self.files.server_key)
        self.context.set_alpn_protocols(["http/1.1"])
        self.names = []
        self.context.sni_callback = lambda connection, name, _: self.names.append(name)
        self.server = serve_known(self, self.context)
        self.url = f"https://localhost:{self.server.server_address[1]}"

    def test_both_versions_and_sni(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            self.context.minimum_version = ssl.TLSVersion.TLSv1_2
            self.context.maximum_version = version
            found = report(self.url, "--ca", self.files.ca_pem, *FEW)
            self.assertEqual(found["requests"]["succeeded"], 4)
            self.assertEqual(found["tokens"]["output"], 4 * TOKENS)
        self.assertEqual(set(self.names), {"localhost"})
        # An address is no name to send; the certificate is for this one as well.
        self.names.clear()
        report(self.url.replace("localhost", "127.0.0.1"), "--ca", self.files.ca_pem, *FEW)
        self.assertEqual(set(self.names), {None})

    def test_who_is_not_believed(self):
        for arguments, reason in (
                ((), "unable to get local issuer certificate"),
                (("--ca", self.files.other_pem), "unable to get local issuer certificate")):
            result = loadtest(self.url, *arguments, *FEW, check=1)
            self.assertIn(f"not accepted: {reason}; --ca names", result.stderr)
        # With a model named, the requests fail and say why.
        found = report(self.url, "--model", "m", *FEW, check=1)
        self.assertEqual([(row["kind"], row["count"]) for row in found["errors"]],
                         [("certificate", 4)])
        self.assertIn("issuer", found["errors"][0]["message"])
        self.assertEqual(self.server.seen, [], "nothing was sent to a stranger")

    def test_anybody_is_believed_when_asked_for(self):
        self.assertEqual(report(self.url, "--insecure", *FEW)["requests"]["succeeded"], 4)

    def test_the_systems_store_is_the_default(self):
        result = loadtest(self.url, *FEW, environment={"SSL_CERT_FILE": self.files.ca_pem})
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_an_old_version_is_refused(self):
        self.context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            # The old versions are deprecated, which is the point.
            warnings.simplefilter("ignore", DeprecationWarning)
            self.context.minimum_version = ssl.TLSVersion.TLSv1
            self.context.maximum_version = ssl.TLSVersion.TLSv1_1
        result = loadtest(self.url, "--insecure", *FEW, check=1)
        self.assertIn("TLS", result.stderr)

    def test_plain_http_is_named(self):
        plain = serve_known(self)
        result = loadtest(f"https://localhost:{plain.server_address[1]}", *FEW, check=1)
        self.assertIn("does not speak TLS", result.stderr)

    def test_files(self):
        for path in (self.files.none_pem, self.files.server_key):
            result = loadtest(self.url, "--ca", path, *FEW)
            self.assertEqual(result.returncode, 1)
            self.assertIn(os.path.basename(path), result.stderr)


class HadalServer(CertificateTest):
    def test_a_load_test_over_tls(self):
        server = start(
            self, "--tls-cert", self.files.server_pem, "--tls-key", self.files.server_key)
        self.assertTrue(server.url.startswith("https://"))
        found = report(
            server.url, "--ca", self.files.ca_pem, "--concurrency", 3, "--requests", 9,
            "--max-tokens", 6, "--ignore-eos", "--turns", 2)
        self.assertEqual(found["requests"]["succeeded"], 9)
        self.assertEqual(found["tokens"]["output"], 54)
        self.assertEqual(found["errors"], [])


if __name__ == "__main__":
    unittest.main()
