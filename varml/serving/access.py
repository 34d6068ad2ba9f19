"""Who may ask: requests that call the service by a known name, from no other site's page, and with the token."""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from varml.serving.refusals import Refusal
from varml.serving.settings import Settings, bare_host

# They say that the service is there and nothing else; what watches it has no token.
OPEN_PATHS = frozenset({"/ping", "/health"})
_OWN_SITE = frozenset({"same-origin", "none"})


class Access:
    """Lets only those requests through to ``app`` that may ask; raises Refusal for others, before a body is read."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._hosts = app, settings.hosts
        self._token = None if settings.token is None else settings.token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = Headers(scope=scope)
        self._check_host(headers)
        _check_site(headers)
        if self._token is not None and scope["path"] not in OPEN_PATHS:
            _check_token(headers, self._token)
        await self._app(scope, receive, send)

    def _check_host(self, headers: Headers) -> None:
        # A page whose name was bound anew to this machine's address (DNS rebinding) calls us by its own name.
        host = _host_of(headers.get("host", ""))
        if host not in self._hosts:
            raise Refusal(403, "the header Host must name this service; --allowed-host lets another name in")


def _check_site(headers: Headers) -> None:
    # A proxy may have taken TLS off.
    own = {f"{scheme}://{headers.get('host', '').lower()}" for scheme in ("http", "https")}
    origin = headers.get("origin")
    if (origin is not None and origin.lower() not in own) or headers.get("sec-fetch-site", "none") not in _OWN_SITE:
        raise Refusal(403, "pages of other sites may not ask this service")


def _check_token(headers: Headers, token: bytes) -> None:
    scheme, _, given = headers.get("authorization", "").partition(" ")
    # Compared in constant time: how long a wrong token takes must not tell how much of it is right.
    right = hmac.compare_digest(given.strip().encode("latin-1", "replace"), token)
    if scheme.lower() != "bearer" or not right:
        raise Refusal(
            401, "the header Authorization must be `Bearer` and the service's token", {"WWW-Authenticate": "Bearer"}
        )


def _host_of(value: str) -> str:
    """Return the host of ``name``, ``name:port`` or ``[v6]:port``; of anything else what no service is called."""
    try:
        split = urlsplit(f"//{value}")
        port_is_right = split.port is None or split.port >= 0
    except ValueError:
        return ""
    is_plain = split.netloc == value and "@" not in value and port_is_right
    return bare_host(split.hostname or "") if is_plain else ""
