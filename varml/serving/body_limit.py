"""No body is longer than the limit, none is compressed, and what comes after a refusal is thrown away."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from varml.serving.refusals import Refusal
from varml.serving.request_log import facts_of

# After a refusal so much is read and dropped, so that a client that sends before it reads gets to the answer.
LINGER_SEC = 2.0
LINGER_BYTES = 16_000_000


class BodyLimit:
    """Counts what a request sends, and raises Refusal as soon as it is too much, by its own word or in truth."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app, self._max_bytes = app, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers, facts = Headers(scope=scope), facts_of(scope)
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise Refusal(415, "a body must not be compressed; send it without Content-Encoding")
        self._check(int(headers.get("content-length", 0)))  # the parser lets only digits through

        async def counted() -> Message:
            message = await receive()
            facts.num_bytes += len(message.get("body", b""))
            self._check(facts.num_bytes)
            return message

        await self._app(scope, counted, send)

    def _check(self, num_bytes: int) -> None:
        if num_bytes > self._max_bytes:
            raise Refusal(413, f"a body may have {self._max_bytes} bytes at most")


class Lingering:
    """Closes a connection whose request was answered before its body was read; to keep it would mean to read on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = Headers(scope=scope)
        rest = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"

        async def watched() -> Message:
            nonlocal rest
            message = await receive()
            rest = rest and message["type"] == "http.request" and message.get("more_body", False)
            return message

        async def closing(message: Message) -> None:
            if not rest:
                await send(message)
            elif message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Connection"] = "close"
                await send(message)
            else:
                last = not message.get("more_body", False)
                await send({**message, "more_body": True})
                if last:
                    await _drop(receive)
                    await send({"type": "http.response.body"})

        await self._app(scope, watched, closing)


async def _drop(receive: Receive) -> None:
    until, left = time.monotonic() + LINGER_SEC, LINGER_BYTES
    with suppress(TimeoutError, asyncio.CancelledError):  # at the end of the service
        async with asyncio.timeout(LINGER_SEC):
            while left > 0 and time.monotonic() < until:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
