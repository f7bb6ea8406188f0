"""An own certificate authority for tests."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    """Signs one server certificate. ``ca``, ``cert``, ``key``: PEM files."""

    def __init__(
        self,
        folder: Path,
        addresses: tuple[str, ...] = ("127.0.0.1",),
        valid_until: datetime | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.ca, self.cert, self.key = (folder / f for f in ("ca.pem", "cert.pem", "key.pem"))
        ca_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Town test CA")])
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "town.test")])
        # Long both ways: tests turn the clock by days.
        since = datetime.now(UTC) - timedelta(days=30)
        until = valid_until or datetime.now(UTC) + timedelta(days=400)

        def builder(
            subject: x509.Name, public: ec.EllipticCurvePublicKey
        ) -> x509.CertificateBuilder:
            return (
                x509.CertificateBuilder()
                .subject_name(subject)
                .issuer_name(ca_name)
                .public_key(public)
                .serial_number(x509.random_serial_number())
                .not_valid_before(since)
                .not_valid_after(until)
            )

        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        ca = (
            builder(ca_name, ca_key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(ca_key, hashes.SHA256())
        )
        names = [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        cert = (
            builder(name, server_key.public_key())
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(ca_key, hashes.SHA256())
        )
        self.ca.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
        self.cert.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
        self.key.write_bytes(
            server_key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
