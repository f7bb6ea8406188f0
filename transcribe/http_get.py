"""Asking a web server for a part of a file: redirects, proxies, and what cannot be helped.

Proxies come from the environment (HTTPS_PROXY, HTTP_PROXY, NO_PROXY), further certificate
authorities from SSL_CERT_FILE.
"""

from __future__ import annotations

import contextlib
import urllib.request
from collections.abc import Iterator, Mapping
from urllib.parse import unquote, urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, MaxRetryError, SSLError
from urllib3.util import make_headers

from core.errors import N_, InvalidInput

MOST_REDIRECTS = 5
_TIMEOUT = urllib3.Timeout(connect=15, read=60)
_REDIRECTS = (301, 302, 303, 307, 308)


@contextlib.contextmanager
def get(
    url: str, headers: Mapping[str, str], *, plain_http: bool
) -> Iterator[urllib3.BaseHTTPResponse]:
    """The answer to one GET, its body still to be read; redirects are followed.

    ``plain_http``: allowed on every step of the way. Raises InvalidInput for a step that is not,
    and urllib3's HTTPError for a link that fails.
    """
    for _ in range(MOST_REDIRECTS + 1):
        if not plain_http and urlsplit(url).scheme != "https":
            raise InvalidInput(
                N_(
                    "%(url)s is not HTTPS, and no hash of the file is known: anybody on the way "
                    "could change it. Use https:// or give --sha256."
                ),
                field="url",
                params={"url": url},
            )
        with _pool(url) as pool:
            response = pool.request(
                "GET", url, headers=headers, timeout=_TIMEOUT,
                preload_content=False, redirect=False, retries=False,
            )  # fmt: skip
            with contextlib.closing(response):
                if response.status not in _REDIRECTS:
                    yield response
                    return
                url = urljoin(url, response.headers.get("location", ""))
    raise InvalidInput(N_("The server sends us in circles."), field="url")


def refuse_if_hopeless(error: Exception) -> None:
    """InvalidInput when trying again cannot help: no trust in the server, no room on the disk."""
    reason = error.reason if isinstance(error, MaxRetryError) else error
    if isinstance(reason, SSLError):
        raise InvalidInput(
            N_(
                "The server's certificate is not trusted (%(reason)s). Behind a company's gate set "
                "SSL_CERT_FILE to its certificate."
            ),
            field="url",
            params={"reason": str(reason)[:200]},
        ) from error
    if isinstance(error, OSError) and not isinstance(error, HTTPError):
        raise InvalidInput(
            N_("The download cannot be stored: %(reason)s"),
            field="file",
            params={"reason": str(error)},
        ) from error


def _pool(url: str) -> urllib3.PoolManager:
    parts = urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy is None or urllib.request.proxy_bypass(parts.netloc):
        return urllib3.PoolManager()
    account, login = urlsplit(proxy), None
    if account.username:
        login = f"{unquote(account.username)}:{unquote(account.password or '')}"
    return urllib3.ProxyManager(proxy, proxy_headers=make_headers(proxy_basic_auth=login))
