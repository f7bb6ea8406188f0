"""Which server the box trusts, also when its own clock is wrong.

A certificate is valid between two dates, so a box whose clock stands in 1970 or 2036 would trust
nobody and could not learn the time either. With the server's own authority pinned at enrolment,
and nothing that keeps the clock, the dates alone are forgiven: signature, authority and name still
have to fit. With the authorities of the system they are never forgiven.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from urllib.parse import urlsplit

import urllib3

from edge.errors import BadSettings

_TIMEOUT = urllib3.Timeout(connect=5, read=15)
_NOT_YET_VALID, _EXPIRED = 9, 10  # X509_V_ERR_CERT_NOT_YET_VALID, …_HAS_EXPIRED
_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME, which Python's ssl has no name for
_CONNECTIONS = 4


def new_pool(ca_file: Path | None, *, check_dates: bool = True) -> urllib3.PoolManager:
    """Connections that trust ``ca_file`` alone, or the system's authorities when it is None.

    Raises BadSettings when the file holds no certificate.
    """
    try:
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except ssl.SSLError as error:
        raise BadSettings(
            f"{ca_file} holds no certificate: fetch it anew (http://SERVER:8080/ca.pem)"
        ) from error
    if not check_dates:
        context.verify_flags |= _NO_CHECK_TIME
    return urllib3.PoolManager(
        num_pools=2, maxsize=_CONNECTIONS, retries=False, timeout=_TIMEOUT, ssl_context=context
    )


def of_broker(ca: str | None, ca_file: Path | None) -> ssl.SSLContext:
    """Trust the broker's own authority ``ca`` (PEM); empty: the system's; None: ``ca_file``."""
    if ca:
        return ssl.create_default_context(cadata=ca)
    own = str(ca_file) if ca is None and ca_file else None
    return ssl.create_default_context(cafile=own)


def is_about_dates(error: BaseException | None) -> bool:
    """Whether a certificate was refused for its dates and nothing else."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_code in (_NOT_YET_VALID, _EXPIRED)
        reason = getattr(error, "reason", None)
        inner = reason if isinstance(reason, BaseException) else None
        error = inner or error.__cause__ or error.__context__
    return False


def check_url(url: str) -> None:
    """Raise BadSettings unless what travels there cannot be read on its way."""
    parts = urlsplit(url)
    local = parts.hostname in ("127.0.0.1", "::1", "localhost")
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise BadSettings(f"{url}: the server's address starts with https://")
