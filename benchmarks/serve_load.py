"""The load generator: many clients at once, one upload in so many hostile, each answer compared.

It runs in a process of its own (``python -m benchmarks.serve_load``) and writes what it found as JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.serve_client import Client, hostile_uploads, is_right

ONE_HOSTILE_IN = 20


@dataclass
class Found:
    """What one client saw; ``seconds`` are those of right answers."""

    statuses: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    num_wrong: int = 0
    num_hostile: int = 0
    num_hostile_let_in: int = 0


def main() -> None:
    """Ask until the time is over, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--expected", type=Path, required=True, help="JSON: probabilities by the path of a video")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--clients", type=int, required=True)
    arguments = parser.parse_args()
    expected = json.loads(arguments.expected.read_text())
    until = time.monotonic() + arguments.seconds
    with ThreadPoolExecutor(arguments.clients) as pool:
        futures = [pool.submit(ask, arguments.port, expected, until, seed) for seed in range(arguments.clients)]
        found = [future.result() for future in futures]
    print(json.dumps(summed(found)))


def ask(port: int, expected: dict[str, dict[str, float]], until: float, seed: int) -> Found:
    """Be one client until ``until``."""
    client, draw, found = Client(port), random.Random(seed), Found()
    videos = {path: Path(path).read_bytes() for path in expected}
    hostile = hostile_uploads(next(iter(videos.values())))
    while time.monotonic() < until:
        if draw.randrange(ONE_HOSTILE_IN) == 0:
            reply = client.upload(draw.choice(hostile))
            found.num_hostile += 1
            found.num_hostile_let_in += not (400 <= reply.status < 500 or reply.status == 503)
        else:
            path, start = draw.choice(list(videos)), time.perf_counter()
            reply = client.upload(videos[path])
            if is_right(reply, expected[path]):
                found.seconds.append(time.perf_counter() - start)
            found.num_wrong += 0 < reply.status < 500 and not is_right(reply, expected[path])
        found.statuses[str(reply.status)] += 1
        if reply.status == 503:
            time.sleep(min(reply.retry_after_sec, max(until - time.monotonic(), 0)))
    return found


def summed(found: list[Found]) -> dict[str, object]:
    """Return what all clients saw together."""
    return {
        "statuses": sum((one.statuses for one in found), Counter[str]()),
        "seconds": [second for one in found for second in one.seconds],
        "num_wrong": sum(one.num_wrong for one in found),
        "num_hostile": sum(one.num_hostile for one in found),
        "num_hostile_let_in": sum(one.num_hostile_let_in for one in found),
    }


if __name__ == "__main__":
    main()
