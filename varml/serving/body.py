"""Reads the body of a request piece by piece, off the event loop and not for longer than a limit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from varml.serving.refusals import Refusal

PIECE_BYTES = 1 << 16
# What nginx notes of a client that left; nobody gets it.
CLIENT_LEFT = 499


async def pour(request: Request, write: Callable[[bytes], object], limit_sec: float) -> None:
    """Hand the body to ``write`` in pieces; raises Refusal where it takes too long or breaks off."""
    try:
        async with asyncio.timeout(limit_sec):
            async for piece in _pieces(request):
                await run_in_threadpool(write, piece)
    except TimeoutError:
        raise Refusal(408, f"a body must arrive within {limit_sec:g} s") from None
    except ClientDisconnect:
        raise Refusal(CLIENT_LEFT, "the client left before its body was there") from None


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    # A client may send byte by byte; threads are woken for more than that.
    held = bytearray()
    async for chunk in request.stream():
        held += chunk
        if len(held) >= PIECE_BYTES:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)
