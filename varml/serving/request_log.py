"""Every request gets an id, an answer whatever happens inside, a line in the log and a place in metrics."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from varml.serving.answers import refused
from varml.serving.refusals import Refusal, shutting_down
from varml.serving.telemetry import Telemetry

logger = logging.getLogger("varml.serving")

_PLAIN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_MAX_PATH_CHARS = 200
# Every answer: nobody keeps it, and nobody takes it for a page that may run something.
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
}


@dataclass
class Facts:
    """What is known of a request at its end: how much of its body was read, when it was answered, why refused."""

    request_id: str
    num_bytes: int = 0
    status: int = 0
    seconds: float = 0.0
    reason: str | None = None


def facts_of(scope: Scope) -> Facts:
    """Return the facts of the request of ``scope``."""
    facts: Facts = scope["state"]["facts"]
    return facts


class RequestLog:
    """Answers with what ``app`` answers, with the refusal that it raises, or with 500 and no word of what failed."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self._app, self._telemetry = app, telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        facts, start = Facts(_request_id(Headers(scope=scope))), time.perf_counter()
        scope.setdefault("state", {})["facts"] = facts

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                facts.status, facts.seconds = message["status"], time.perf_counter() - start
                MutableHeaders(scope=message).update({"X-Request-ID": facts.request_id, **_HEADERS})
            await send(message)

        try:
            await self._answer(scope, receive, noted)
        finally:
            self._telemetry.count(scope["path"], facts.status, facts.seconds)
            logger.info("request", extra={"fields": _fields(scope, facts)})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        facts = facts_of(scope)
        try:
            await self._app(scope, receive, send)
            return
        except Refusal as refusal:
            answer = refusal
        except asyncio.CancelledError:
            answer = shutting_down()
        except Exception:
            logger.exception("failure", extra={"fields": {"id": facts.request_id}})
            answer = Refusal(500, "the service failed; its log knows more under the request's id")
        if not facts.status:
            facts.reason = answer.reason
            await refused(answer, facts.request_id)(scope, receive, send)


def _request_id(headers: Headers) -> str:
    given = headers.get("x-request-id", "")
    return given if _PLAIN_ID.fullmatch(given) else uuid.uuid4().hex


def _fields(scope: Scope, facts: Facts) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "id": facts.request_id,
        "method": scope["method"][:_MAX_PATH_CHARS],
        "path": scope["path"][:_MAX_PATH_CHARS],
        "status": facts.status,
        "ms": round(1000 * facts.seconds, 1),
        "bytes": facts.num_bytes,
    }
    return fields | ({"reason": facts.reason} if facts.reason else {})
