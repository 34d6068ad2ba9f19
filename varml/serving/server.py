"""The running service: it listens, and ends on SIGTERM or Ctrl-C once what runs is answered."""

from __future__ import annotations

import logging
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from varml.errors import ServingError
from varml.serving.app import create_app
from varml.serving.lanes import Lanes
from varml.serving.log_format import log_to_stdout
from varml.serving.settings import Settings
from varml.serving.slow_clients import impatient
from varml.serving.spool import Spool
from varml.serving.telemetry import Telemetry
from varml.tracking.served_model import ServedModel

logger = logging.getLogger("varml.serving")

_MAX_HEADER_BYTES = 16384
# Longer than a client is likely to think between two requests; a connection that is kept costs little.
_KEEP_ALIVE_SEC = 20


def bind(settings: Settings) -> socket.socket:
    """Return a socket with the address of the service, on which nothing listens yet; raises ServingError."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    bound = socket.socket(family)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((settings.host, settings.port))
    except (OSError, OverflowError) as error:
        bound.close()
        reason = getattr(error, "strerror", None) or error
        raise ServingError(
            f"{settings.host} port {settings.port} cannot be listened on ({reason}); choose another --host or --port"
        ) from error
    return bound


def serve(model: ServedModel, settings: Settings, bound: socket.socket) -> None:
    """Answer requests until SIGTERM or SIGINT; then finish what runs, as far as the limit allows, and return.

    Raises EngineError where no decoding process can start.
    """
    log_to_stdout()
    with prepared(model, settings) as server:
        # uvicorn raises the signals again that ended it; they have done what they should.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        server.run([bound])
    logger.info("stopped")


@contextmanager
def prepared(model: ServedModel, settings: Settings) -> Iterator[uvicorn.Server]:
    """Give a server whose lanes are warm, to be run on a bound socket; they and all files go when the block ends."""
    telemetry = Telemetry()
    lanes = Lanes(
        model.predictor,
        telemetry,
        num_lanes=settings.lanes,
        num_threads=settings.num_threads,
        num_waiting=settings.num_waiting,
        max_wait_sec=settings.request_timeout_sec / 2,
    )
    with Spool(int(settings.max_spool_mb * 1e6)) as spool:
        try:
            lanes.start()
            yield _Server(_config(create_app(model, settings, lanes, spool, telemetry), settings))
        finally:
            lanes.stop()


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, port = (sockets or [])[0].getsockname()[:2]
        name = f"[{host}]" if ":" in host else host
        logger.info("listening", extra={"fields": {"url": f"http://{name}:{port}"}})


def _config(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="asyncio",
        http=impatient(settings.header_timeout_sec),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=settings.max_connections,
        timeout_keep_alive=_KEEP_ALIVE_SEC,
        timeout_graceful_shutdown=int(settings.shutdown_timeout_sec),
        h11_max_incomplete_event_size=_MAX_HEADER_BYTES,
    )
