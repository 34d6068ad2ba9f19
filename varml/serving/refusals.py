"""A request that gets no answer: its status, and one sentence that says the rule."""

from __future__ import annotations

import math
from collections.abc import Mapping


class Refusal(Exception):  # noqa: N818 - it is no error of the service
    """Ends a request with ``status`` (4xx or 503, 504) and ``reason``, which holds nothing of this machine."""

    def __init__(self, status: int, reason: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, reason)
        self.status, self.reason, self.headers = status, reason, dict(headers or {})


def busy(reason: str, retry_after_sec: float) -> Refusal:
    """Return the refusal of what may be asked again after so many seconds; its connection is not kept as long."""
    return Refusal(503, reason, {"Retry-After": str(max(1, math.ceil(retry_after_sec))), "Connection": "close"})


def shutting_down() -> Refusal:
    """Return the refusal of what has not ended when the service does."""
    return busy("the service is shutting down; ask again later", 1)
