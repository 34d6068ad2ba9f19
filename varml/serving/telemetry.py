"""What Prometheus reads at `/metrics`. Labels come from fixed sets; nothing of a request becomes one but its status."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import psutil
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

OTHER = "other"
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Telemetry:
    """The figures of one service; requests of unknown paths are counted under the route ``other``."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._routes: frozenset[str] = frozenset()
        self._requests = Counter(
            "varml_requests", "requests by route and status", ["route", "status"], registry=registry
        )
        self._seconds = Histogram(
            "varml_request_seconds",
            "from the last header to the answer",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.decode_failures = Counter("varml_decode_failures", "videos that could not be read", registry=registry)
        self.worker_restarts = Counter("varml_worker_restarts", "decoding processes replaced", registry=registry)
        memory = Gauge("varml_resident_bytes", "resident memory", ["process"], registry=registry)
        memory.labels("server").set_function(lambda: _resident_bytes([psutil.Process()]))
        memory.labels("workers").set_function(lambda: _resident_bytes(psutil.Process().children(recursive=True)))

    def watch(self, name: str, text: str, value: Callable[[], float]) -> None:
        """Show ``value`` whenever it is asked for."""
        Gauge(f"varml_{name}", text, registry=self._registry).set_function(value)

    def know(self, routes: frozenset[str]) -> None:
        """Count the requests of each of ``routes`` apart."""
        self._routes = routes

    def count(self, path: str, status: int, seconds: float) -> None:
        """Count one request."""
        route = path if path in self._routes else OTHER
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """Return all figures in Prometheus' text format."""
        return generate_latest(self._registry)


def _resident_bytes(processes: list[psutil.Process]) -> int:
    total = 0
    for process in processes:
        with suppress(psutil.Error):  # it ended just now
            total += process.memory_info().rss
    return total
