"""Self-signed certificates for servers on loopback."""

from __future__ import annotations

import subprocess
from pathlib import Path


def self_signed(folder: Path, name: str = "server") -> Path:
    """A PEM file with key and certificate for 127.0.0.1 and localhost."""
    key, certificate, both = folder / f"{name}.key", folder / f"{name}.crt", folder / f"{name}.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}.example",
         "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    certificate.chmod(0o644)
    return both


def certificate_of(both: Path) -> Path:
    """The file with the certificate alone, as a client trusts it."""
    return both.with_suffix(".crt")
