"""Connections on which no request arrives are closed: uvicorn alone would wait for the end of its headers for ever."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


class ImpatientProtocol(H11Protocol):
    """HTTP/1.1 with a limit on the time from the start of a connection, or of its next request, to the last header."""

    header_timeout_sec: ClassVar[float]
    _limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take what came, and wait no longer where it is a request, nor anew where it is a part of one."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        super().connection_lost(exc)
        self._stop()

    def _watch(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._stop()
        elif self._limit is None:
            self._limit = self.loop.call_later(self.header_timeout_sec, self._give_up)

    def _stop(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
        self._limit = None

    def _give_up(self) -> None:
        self._limit = None
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.close()


def impatient(header_timeout_sec: float) -> type[asyncio.Protocol]:
    """Return the protocol with a limit."""
    values: dict[str, Any] = {"header_timeout_sec": header_timeout_sec}
    return type("Protocol", (ImpatientProtocol,), values)
