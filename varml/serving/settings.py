"""What `varml serve` is told, and the rules that must hold before it starts."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from varml.errors import ServingError
from varml.ground.engine import resolve_num_workers

TOKEN_VARIABLE = "VARML_TOKEN"
MIN_TOKEN_CHARS = 16
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
_UNSPECIFIED = ("", "0.0.0.0", "::")


@dataclass(frozen=True)
class Settings:
    """Where the service listens, who may ask it, and how much of everything one request and all of them may take.

    ``num_lanes`` videos are worked on at a time (0: one per core), each with ``num_threads`` threads of torch;
    ``num_waiting`` requests may wait for a lane. Bodies that lie on disk take at most ``max_spool_mb`` together.
    Raises ServingError where a rule is broken.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = field(default=None, repr=False)
    allowed_hosts: tuple[str, ...] = ()
    num_lanes: int = 0
    num_threads: int = 1
    num_waiting: int = 32
    max_body_mb: float = 64
    max_videos: int = 16
    max_spool_mb: float = 2048
    max_connections: int = 256
    header_timeout_sec: float = 10
    body_timeout_sec: float = 60
    request_timeout_sec: float = 60
    shutdown_timeout_sec: float = 30

    def __post_init__(self) -> None:
        if self.token is not None:
            _check_token(self.token)
        elif not is_loopback(self.host):
            raise ServingError(
                f"--host {self.host} can be reached from other machines, and then requests must bring a token; set "
                f"{TOKEN_VARIABLE} to one of at least {MIN_TOKEN_CHARS} characters, or serve on 127.0.0.1"
            )

    @property
    def max_body_bytes(self) -> int:
        """How long a body may be."""
        return int(self.max_body_mb * 1e6)

    @property
    def lanes(self) -> int:
        """How many videos are worked on at a time."""
        return resolve_num_workers(self.num_lanes)

    @property
    def hosts(self) -> frozenset[str]:
        """The names, without a port, by which a request may call the service."""
        own = () if self.host in _UNSPECIFIED else (self.host,)
        return frozenset(bare_host(name) for name in (*LOOPBACK_HOSTS, *own, *self.allowed_hosts))


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches ``host``; names other than localhost may lead anywhere."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def bare_host(host: str) -> str:
    """Return a host as it is compared: lower case, without brackets, without the dot that may end a name."""
    return host.lower().removeprefix("[").removesuffix("]").removesuffix(".")


def _check_token(token: str) -> None:
    # What a header cannot carry would lock everybody out. The token itself is never shown.
    if len(token) < MIN_TOKEN_CHARS or not token.isascii() or not token.isprintable() or " " in token:
        raise ServingError(
            f"{TOKEN_VARIABLE} must have at least {MIN_TOKEN_CHARS} characters, all of them printable ASCII and none a "
            'space; make one with `python -c "import secrets; print(secrets.token_urlsafe())"`'
        )
