"""The station's own certificate authority, so that phones in the office trust the pages.

The CA may sign only names and addresses of a local network and the host of public_base_url (name
constraints), and lies in ``<data_dir>/tls`` with mode 600. The server's certificate lives 397
days (phones refuse more than 398) and is renewed 30 days before its end or when the machine's
addresses change.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from core.clock import utc_now
from core.files import locked
from core.settings import Settings
from web import addresses

CA_LIFE = timedelta(days=3650)
LEAF_LIFE = timedelta(days=397)
RENEW_BEFORE = timedelta(days=30)
BACKDATED = timedelta(days=1)
"""Villages' clocks are wrong; a certificate of this minute would not hold for them yet."""
LOCAL_NETWORKS = (
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8",
    "169.254.0.0/16", "::1/128", "fc00::/7", "fe80::/10",
)  # fmt: skip
LOCAL_DOMAINS = ("localhost", "local", "lan", "internal", "home.arpa")
log = structlog.get_logger("web.tls")


@dataclass(frozen=True)
class TlsFiles:
    """What the server presents; ``ca`` is None when the certificate came from elsewhere."""

    certificate: Path
    key: Path
    ca: Path | None


class TlsMisconfigured(Exception):
    """web_tls=files without usable files; the text names the setting to mend."""


def ensure(settings: Settings) -> TlsFiles | None:
    """The files to serve with, made or renewed where needed; None when TLS is off."""
    if settings.web_tls == "off":
        return None
    if settings.web_tls == "files":
        return _given(settings)
    folder = settings.folder("tls")
    with locked(folder / ".lock"):
        authority = _Authority(folder, settings)
        authority.ensure()
        authority.ensure_leaf()
    return TlsFiles(folder / "server.pem", folder / "server.key", folder / "ca.pem")


def _given(settings: Settings) -> TlsFiles:
    certificate, key = settings.web_tls_cert, settings.web_tls_key
    if certificate is None or key is None:
        raise TlsMisconfigured(
            "XIANGYIN_WEB_TLS=files needs XIANGYIN_WEB_TLS_CERT and XIANGYIN_WEB_TLS_KEY"
        )
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except OSError as error:
        raise TlsMisconfigured(
            f"XIANGYIN_WEB_TLS_CERT ({certificate}) and XIANGYIN_WEB_TLS_KEY ({key}) "
            f"cannot be used: {error}"
        ) from error
    return TlsFiles(certificate, key, None)


class _Authority:
    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder = folder
        self._settings = settings

    def ensure(self) -> None:
        if not (self._folder / "ca.pem").exists():
            self._make()
            log.info("made an own certificate authority", folder=str(self._folder))

    def _make(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        town = self._settings.station_name or addresses.machine_name()
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"乡音 Xiangyin {town}"[:64])])
        now = utc_now()
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - BACKDATED)
            .not_valid_after(now + CA_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.NameConstraints(self._permitted(), None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .sign(key, hashes.SHA256())
        )
        self._write("ca.key", _pem(key), secret=True)
        self._write("ca.pem", certificate.public_bytes(serialization.Encoding.PEM))

    def _permitted(self) -> list[x509.GeneralName]:
        networks = [ipaddress.ip_network(each) for each in LOCAL_NETWORKS]
        names = [*LOCAL_DOMAINS, addresses.machine_name()]
        for address in addresses.machine_addresses():
            networks.append(ipaddress.ip_network(address))
        host = addresses.public_host(self._settings)
        if host:
            try:
                networks.append(ipaddress.ip_network(host))
            except ValueError:
                names.append(host)
        return [
            *(x509.DNSName(name) for name in dict.fromkeys(names)),
            *(x509.IPAddress(network) for network in dict.fromkeys(networks)),
        ]

    def ensure_leaf(self) -> None:
        ca = x509.load_pem_x509_certificate((self._folder / "ca.pem").read_bytes())
        names = self._leaf_names(ca)
        if not self._leaf_fits(ca, names):
            self._make_leaf(ca, names)
            log.info("made a server certificate", names=[str(each.value) for each in names])

    def _leaf_names(self, ca: x509.Certificate) -> list[x509.GeneralName]:
        found: list[x509.GeneralName] = [
            x509.DNSName("localhost"),
            x509.DNSName(addresses.machine_name()),
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
            x509.IPAddress(ipaddress.ip_address("::1")),
            *(x509.IPAddress(each) for each in addresses.machine_addresses()),
        ]
        host = addresses.public_host(self._settings)
        if host:
            try:
                found.append(x509.IPAddress(ipaddress.ip_address(host)))
            except ValueError:
                found.append(x509.DNSName(host))
        permitted = ca.extensions.get_extension_for_class(x509.NameConstraints).value
        kept = []
        for name in dict.fromkeys(found):
            if _is_permitted(name, permitted.permitted_subtrees or []):
                kept.append(name)
            else:
                log.warning(
                    "the CA may not sign this name; remove the folder tls in data_dir to make a "
                    "new CA, which every phone has to install again",
                    name=str(name.value),
                )
        return kept

    def _leaf_fits(self, ca: x509.Certificate, names: list[x509.GeneralName]) -> bool:
        path = self._folder / "server.pem"
        if not path.exists() or not (self._folder / "server.key").exists():
            return False
        leaf = x509.load_pem_x509_certificate(path.read_bytes())
        key = serialization.load_pem_private_key((self._folder / "server.key").read_bytes(), None)
        present = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return (
            leaf.issuer == ca.subject
            and leaf.public_key() == key.public_key()  # a crash may have parted them
            and set(names) <= set(present)
            and leaf.not_valid_after_utc - RENEW_BEFORE > utc_now()
        )

    def _make_leaf(self, ca: x509.Certificate, names: list[x509.GeneralName]) -> None:
        ca_key = serialization.load_pem_private_key((self._folder / "ca.key").read_bytes(), None)
        assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
        key = ec.generate_private_key(ec.SECP256R1())
        now = utc_now()
        certificate = (
            x509.CertificateBuilder()
            .subject_name(
                x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, addresses.machine_name()[:64])])
            )
            .issuer_name(ca.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - BACKDATED)
            .not_valid_after(min(now - BACKDATED + LEAF_LIFE, ca.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
            .add_extension(x509.SubjectAlternativeName(names), False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), False
            )
            .sign(ca_key, hashes.SHA256())
        )
        self._write("server.key", _pem(key), secret=True)
        self._write("server.pem", certificate.public_bytes(serialization.Encoding.PEM))

    def _write(self, name: str, content: bytes, *, secret: bool = False) -> None:
        part = self._folder / f"{name}.part"
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if secret else 0o644)
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        part.replace(self._folder / name)


def _is_permitted(name: x509.GeneralName, subtrees: list[x509.GeneralName]) -> bool:
    for subtree in subtrees:
        if isinstance(name, x509.DNSName) and isinstance(subtree, x509.DNSName):
            if name.value == subtree.value or name.value.endswith("." + subtree.value):
                return True
        elif isinstance(name, x509.IPAddress) and isinstance(subtree, x509.IPAddress):
            network = subtree.value
            if isinstance(network, ipaddress.IPv4Network | ipaddress.IPv6Network) and (
                name.value in network
            ):
                return True
    return False


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
