"""The hard cases of work in other processes: memory that is touched, loops in C, and the end of the parent."""

from __future__ import annotations

import collections
import itertools
import mmap
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil
import pytest

from varml.errors import EngineError
from varml.ground.engine import Outcome, map_in_order, map_isolated

MEMORY_MB = 256
REASON = f"took more memory than its limit of {MEMORY_MB} MB"
HUGE_BYTES = 64 << 30
# The kernel alone would grant it.
MAP_NORESERVE = 0x4000

kept: list[bytes] = []


def touch(num_mb: int) -> bytes:
    """Return memory that is written to a little at a time, as a decoder's frames are."""
    return b"".join(os.urandom(1) * (1 << 20) for _ in range(num_mb))


class Swelling:
    """A result that grows while it is sent."""

    def __reduce__(self) -> tuple[object, ...]:
        return bytes, (touch(2 * MEMORY_MB),)


def eat(how: str) -> object:
    """Take memory in a worker process as ``how`` says."""
    if how == "touch":
        return len(touch(2 * MEMORY_MB))
    if how == "claim":
        return len(bytearray(HUGE_BYTES))
    if how == "map":
        return len(mmap.mmap(-1, HUGE_BYTES, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE))
    if how == "swell":
        return Swelling()
    if how == "keep":
        kept.append(touch(100))
    if how == "take":
        return len(touch(100))
    if how == "reserve":
        # As CUDA and the arenas of many threads do: gigabytes of addresses, hardly any memory.
        reserved, barrier = mmap.mmap(-1, 16 << 30), threading.Barrier(65)
        threads = [threading.Thread(target=barrier.wait, daemon=True) for _ in range(64)]
        for thread in threads:
            thread.start()
        barrier.wait()
        return len(reserved)
    return os.getpid()


def bomb(how: str) -> str:
    """Return at once and kill the process a little later, or take longer than that."""
    if how == "bomb":
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGKILL)).start()
    if how == "wait":
        time.sleep(0.8)
    return how


def burn(sign: Path) -> None:
    """Loop in C for ever, holding the interpreter's lock, deaf to SIGTERM; ``sign`` names the process."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sign.with_suffix(".new").write_text(str(os.getpid()))
    sign.with_suffix(".new").rename(sign)
    collections.deque(itertools.repeat(None), maxlen=0)


def burn_or_return(sign: Path) -> str:
    return "done" if sign.name == "calm" else str(burn(sign))


def run(function: Callable[[str], object], items: list[str]) -> list[Outcome[str, object]]:
    """Return the outcomes of one worker, so in the order of the items."""
    return list(map_isolated(function, items, num_workers=1, timeout_sec=60, memory_mb=MEMORY_MB))


def alive(signs: Iterable[Path]) -> list[int]:
    """Return which of the processes that signed are there still."""
    found = []
    for pid in (int(sign.read_text()) for sign in signs):
        try:
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                found.append(pid)
        except psutil.NoSuchProcess:
            pass
    return found


def wait_until(condition: Callable[[], bool], timeout_sec: float) -> bool:
    """Return whether ``condition`` comes to hold in time."""
    until = time.monotonic() + timeout_sec
    while not condition() and time.monotonic() < until:
        time.sleep(0.02)
    return condition()


@pytest.mark.parametrize("how", ["touch", "claim", "swell"])
def test_memory_above_the_limit_ends_the_task_and_no_other(how: str):
    before, bad, after = run(eat, ["", how, ""])
    assert bad == Outcome(how, None, REASON)
    assert before.reason is None
    assert after.reason is None


def test_addresses_without_memory_break_no_limit():
    assert run(eat, ["reserve"]) == [Outcome("reserve", 16 << 30, None)]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds private memory")
def test_memory_far_above_the_limit_is_refused_before_any_look():
    assert run(eat, ["map"]) == [Outcome("map", None, "OSError: [Errno 12] Cannot allocate memory")]


def test_memory_that_an_earlier_task_kept_is_not_held_against_a_later_one():
    outcomes = run(eat, ["keep", "keep", "take"])
    assert [outcome.reason for outcome in outcomes] == [None] * 3


def test_a_worker_that_dies_late_is_not_held_against_a_later_task():
    assert run(bomb, ["bomb", "wait"]) == [Outcome("bomb", "bomb", None), Outcome("wait", "wait", None)]


def test_a_limit_that_no_worker_can_start_in_is_an_error():
    with pytest.raises(EngineError, match=r"took more memory than its limit of 1 MB; .* raise memory_mb"):
        list(map_isolated(eat, [""], num_workers=1, timeout_sec=60, memory_mb=1))


def test_a_loop_in_c_is_ended_soon_after_its_limit(tmp_path: Path):
    signs = [tmp_path / name for name in ("a", "b", "c")]
    items = [*signs, tmp_path / "calm"]
    found = {}
    for outcome in map_isolated(burn_or_return, items, num_workers=2, timeout_sec=1, memory_mb=MEMORY_MB):
        found[outcome.item] = outcome
        if outcome.item in signs:
            assert alive([outcome.item]) == []
            assert time.time() - outcome.item.stat().st_mtime < 1 + 2
    assert found == {sign: Outcome(sign, None, "took longer than its limit of 1 s") for sign in signs} | {
        items[-1]: Outcome(items[-1], "done", None)
    }


def test_limits_hold_while_the_consumer_is_busy(tmp_path: Path):
    sign = tmp_path / "burning"
    loop = map_isolated(
        burn_or_return, [tmp_path / "calm", sign], num_workers=1, timeout_sec=1, memory_mb=MEMORY_MB
    )  # fmt: skip
    assert next(loop).result == "done"
    assert wait_until(sign.exists, 10)
    assert wait_until(lambda: not alive([sign]), 3)
    assert next(loop).reason == "took longer than its limit of 1 s"
    loop.close()


def burn_two(folder: str) -> None:
    """Be a parent whose two workers burn while it waits for an outcome."""
    signs = [Path(folder, name) for name in ("a", "b")]
    list(map_isolated(burn, signs, num_workers=2, timeout_sec=600, memory_mb=MEMORY_MB))


def burn_two_forgotten(folder: str) -> None:
    """Be a parent that is at work elsewhere while its workers burn, and keeps the loop."""
    global forgotten
    signs = [Path(folder, name) for name in ("calm", "a", "b")]
    forgotten = map_isolated(burn_or_return, signs, num_workers=2, timeout_sec=600, memory_mb=MEMORY_MB)
    next(forgotten)
    time.sleep(600)


def burn_two_in_order(folder: str) -> None:
    """Be a parent whose two workers burn for results in order."""
    list(map_in_order(burn, [Path(folder, name) for name in ("a", "b")], num_workers=2))


@pytest.mark.parametrize(
    ("number", "parent"),
    [
        (signal.SIGINT, burn_two_in_order),
        (signal.SIGTERM, burn_two_in_order),
        (signal.SIGKILL, burn_two_in_order),
        (signal.SIGINT, burn_two),
        (signal.SIGINT, burn_two_forgotten),
        (signal.SIGTERM, burn_two),
        (signal.SIGKILL, burn_two),
    ],
)
def test_no_worker_outlives_its_parent(tmp_path: Path, number: signal.Signals, parent: Callable[[str], None]):
    if number != signal.SIGINT and sys.platform != "linux":
        pytest.skip("only Linux ends processes with their parent")
    # A shell may have started the tests deaf to Ctrl-C.
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"from test_isolation import {parent.__name__} as parent; parent({str(tmp_path)!r})"
    )
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, start_new_session=True,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    signs = [tmp_path / "a", tmp_path / "b"]
    try:
        assert wait_until(lambda: all(sign.exists() for sign in signs), 30)
        # Ctrl-C reaches the workers too, a kill the parent alone.
        os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
        assert process.wait(10) == -number
        assert wait_until(lambda: not alive(signs), 2)
    finally:
        if process.poll() is None or alive(signs):
            os.killpg(process.pid, signal.SIGKILL)


ELSEWHERE = """
import ctypes, os, resource
del os.sched_getaffinity, resource.RLIMIT_DATA, resource.RLIMIT_CORE
ctypes.CDLL = lambda _: object()
from varml.ground.engine import map_isolated, resolve_num_workers
if __name__ == "__main__":
    outcomes = map_isolated(abs, [-1, "x"], num_workers=1, timeout_sec=30, memory_mb=256)
    print(resolve_num_workers(0) == os.cpu_count(), [(outcome.result, outcome.reason) for outcome in outcomes])
"""


def test_limits_that_a_system_lacks_are_left_out(tmp_path: Path):
    script = tmp_path / "elsewhere.py"
    script.write_text(ELSEWHERE)
    printed = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True).stdout
    assert printed == "True [(1, None), (None, \"TypeError: bad operand type for abs(): 'str'\")]\n"
