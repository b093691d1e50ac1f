"""Certificates for the tests of TLS, made once a session with the openssl command (Apache-2.0; nothing is installed).

`make(folder)` gives Certificates: an authority, certificates of a server and a client that it signed, and a certificate
that nobody knows. Elliptic keys, since making RSA ones takes longer than the tests.
"""
import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

PASSWORD = "se cret"


@dataclass
class Certificates:
    folder: Path

    def path(self, name):
        return str(self.folder / name)

    def server_settings(self, **more):
        """Settings of a server that checks its clients."""
        return {"tls_cert_file": self.path("server.crt"), "tls_key_file": self.path("server.key"),
                "tls_ca_cert_file": self.path("ca.crt"), **more}

    def context(self, client="client", **bounds):
        """What a client written with ssl uses; client: whose certificate it shows, or None."""
        context = ssl.create_default_context(cafile=self.path("ca.crt"))
        for name, value in bounds.items():
            setattr(context, name, value)
        if client:
            context.load_cert_chain(self.path(f"{client}.crt"), self.path(f"{client}.key"))
        return context

    def redis_py(self, client="client"):
        """Keyword arguments of redis.Redis."""
        files = {"ssl_certfile": self.path(f"{client}.crt"), "ssl_keyfile": self.path(f"{client}.key")} if client else {}
        return {"ssl": True, "ssl_ca_certs": self.path("ca.crt"), **files}

    def cli(self, client="client"):
        """Arguments of redis-cli."""
        files = ["--cert", self.path(f"{client}.crt"), "--key", self.path(f"{client}.key")] if client else []
        return ["--tls", "--cacert", self.path("ca.crt"), *files]


def openssl(*argv):
    subprocess.run(["openssl", *argv], check=True, capture_output=True, timeout=60)


def make(folder):
    """Makes all files below folder."""
    def at(name):
        return str(folder / name)
    if shutil.which("openssl") is None:
        raise FileNotFoundError("openssl")
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    for name in ("ca", "stranger"):
        openssl("req", "-x509", *curve, "-keyout", at(f"{name}.key"), "-out", at(f"{name}.crt"), "-subj", f"/CN={name}",
                "-days", "30")
    for name in ("server", "other", "client"):
        openssl("req", *curve, "-keyout", at(f"{name}.key"), "-out", at(f"{name}.csr"), "-subj", f"/CN={name}",
                "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
        openssl("x509", "-req", "-in", at(f"{name}.csr"), "-CA", at("ca.crt"), "-CAkey", at("ca.key"), "-CAcreateserial",
                "-out", at(f"{name}.crt"), "-days", "30", "-copy_extensions", "copy")
    openssl("pkey", "-in", at("server.key"), "-aes256", "-passout", f"pass:{PASSWORD}", "-out", at("locked.key"))
    return Certificates(folder)
