"""Flower's processes on this machine: certificates, keys, and programs that end with the test."""

import datetime
import ipaddress
import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import trainlet

BIN = Path(sys.executable).parent
DAYS = datetime.timedelta(days=2)


def write_key(file: Path, kind: form.PrivateFormat) -> ec.EllipticCurvePrivateKey:
    key = ec.generate_private_key(ec.SECP384R1())
    file.write_bytes(key.private_bytes(form.Encoding.PEM, kind, form.NoEncryption()))
    return key


def write_certificates(folder: Path) -> None:
    """ca.pem, and server.pem with server.key for 127.0.0.1."""
    pkcs8, now = form.PrivateFormat.PKCS8, datetime.datetime.now(datetime.UTC)

    def begun(subject: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, n)]) for n in (subject, "ca")]
        return (
            x509.CertificateBuilder(
                names[1], names[0], key.public_key(), x509.random_serial_number()
            )
            .not_valid_before(now - DAYS)
            .not_valid_after(now + DAYS)
        )

    ca, server = write_key(folder / "ca.key", pkcs8), write_key(folder / "server.key", pkcs8)
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    here = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.public_key())
    root = (
        begun("ca", ca)
        .add_extension(x509.BasicConstraints(True, None), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca.public_key()), False)
        .add_extension(usage, True)
    )
    leaf = begun("localhost", server)
    leaf = leaf.add_extension(x509.SubjectAlternativeName(here), False).add_extension(issuer, False)
    for name, made in (("ca", root), ("server", leaf)):
        pem = made.sign(ca, hashes.SHA384()).public_bytes(form.Encoding.PEM)
        (folder / f"{name}.pem").write_bytes(pem)


def write_node_key(folder: Path, name: str) -> None:
    """NAME.key and NAME.pub, in OpenSSH's format."""
    key = write_key(folder / f"{name}.key", form.PrivateFormat.OpenSSH)
    public = key.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH)
    (folder / f"{name}.pub").write_bytes(public)


def free_port() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return made.getsockname()[1]


class Processes(ExitStack):
    """Programs of Flower in a folder; they end when the block ends."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.environment = {
            **os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "FLWR_HOME": str(folder / "home"),
            "FLWR_DISABLE_UPDATE_CHECK": "1", "FLWR_TELEMETRY_ENABLED": "0",
            "PYTHONPATH": str(Path(trainlet.__file__).parents[1]),
        }  # fmt: skip

    def connect(self, port: int, secure: bool) -> None:
        """Name the SuperLink `loop` in Flower's configuration."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        how = f'root-certificates = "{self.folder}/ca.pem"' if secure else "insecure = true"
        link = f'[superlink.loop]\naddress = "127.0.0.1:{port}"\n{how}\n'
        (home / "config.toml").write_text(f'[superlink]\ndefault = "loop"\n{link}')

    def start(self, log: str, *command: str) -> subprocess.Popen:
        """A program in the background; its output goes to the file `log`."""
        file = self.enter_context((self.folder / log).open("w"))
        process = subprocess.Popen(
            [str(BIN / command[0]), *command[1:]], cwd=self.folder, env=self.environment,
            stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, process_group=0,
        )  # fmt: skip
        self.callback(process.wait)
        self.callback(process.terminate)
        return process

    def finish(self, *command: str) -> str:
        """The output of a program that has to end well."""
        done = subprocess.run(
            [str(BIN / command[0]), *command[1:]], cwd=self.folder, env=self.environment,
            capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def wait_for(self, log: str, text: str, seconds: float = 120) -> None:
        """Until a file has a text."""
        end = time.monotonic() + seconds
        while text not in (self.folder / log).read_text():
            assert time.monotonic() < end, (self.folder / log).read_text()
            time.sleep(0.2)
