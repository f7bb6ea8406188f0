"""A real IMAP server of the tests' own: Dovecot 2.3 with TLS on a free port, in its own folder."""

from __future__ import annotations

import contextlib
import imaplib
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import psutil
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests import counterparts

PASSWORD = "a-mailbox-password"
CONFIGURATION = """
base_dir = {folder}/run
log_path = {folder}/log
protocols = imap
ssl = required
ssl_cert = <{folder}/certificate.pem
ssl_key = <{folder}/key.pem
mail_location = maildir:{folder}/mail/%u
first_valid_uid = 1
default_internal_user = {internal}
default_internal_group = {group}
default_login_user = {login}
auth_failure_delay = 0
mail_max_userip_connections = 100
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={owner} gid={owner_group} home={folder}/mail/%u
}}
namespace inbox {{
  inbox = yes
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    address = 127.0.0.1
    port = {port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""


class Dovecot:
    """Any user may log in with PASSWORD; each has an own mailbox."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="xy-imap-"))
        self.folder.chmod(0o755)
        self.certificate = self.folder / "certificate.pem"
        self._make_certificate()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        is_root = os.geteuid() == 0
        me = pwd.getpwuid(os.geteuid())
        owner = pwd.getpwnam("nobody") if is_root else me
        (self.folder / "mail").mkdir()
        if is_root:
            os.chown(self.folder / "mail", owner.pw_uid, owner.pw_gid)
        settings = CONFIGURATION.format(
            folder=self.folder,
            internal="dovecot" if is_root else me.pw_name,
            group="dovecot" if is_root else "",
            login="dovenull" if is_root else me.pw_name,
            owner=owner.pw_uid,
            owner_group=owner.pw_gid,
            password=PASSWORD,
            port=self.port,
        )
        (self.folder / "dovecot.conf").write_text(settings)
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def _make_certificate(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=2))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        self.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (self.folder / "key.pem").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        program = counterparts.find("dovecot")
        assert program is not None
        self._process = subprocess.Popen(
            [program, "-F", "-c", str(self.folder / "dovecot.conf")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        deadline = time.monotonic() + 20
        while True:
            try:
                with self.client("probe"):
                    return
            except OSError:
                log = self.folder / "log"
                assert time.monotonic() < deadline, log.read_text() if log.exists() else "no log"
                assert self._process.poll() is None, self._process.communicate()
                time.sleep(0.1)

    def stop(self) -> None:
        """Stop it with all its children."""
        assert self._process is not None
        children = psutil.Process(self._process.pid).children(recursive=True)
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(10)
        for child in children:  # those that serve a client outlive their master
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        assert self._process.stderr is not None
        self._process.stderr.close()

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def client(self, user: str) -> imaplib.IMAP4_SSL:
        """A mail program of ``user``, logged in."""
        trusting = ssl.create_default_context(cafile=str(self.certificate))
        made = imaplib.IMAP4_SSL("localhost", self.port, ssl_context=trusting, timeout=10)
        made.login(user, PASSWORD)
        return made
