"""Work in other processes: what hangs, dies, eats memory or raises costs its own task and no other."""

from __future__ import annotations

import ctypes
import operator
import os
import signal
import threading
import time
from collections.abc import Sequence
from typing import Any

import psutil
import pytest
from processes import command_of

from varml.errors import EngineError, VideoError
from varml.ground.engine import Outcome, map_in_order, map_isolated, map_parallel, resolve_num_workers

TIMEOUT_SEC = 1.5
MEMORY_MB = 256


class TwoCausesError(Exception):
    """Can be pickled and not unpickled, like many exceptions of compiled readers."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"{one} and {other}")


def behave(how: str) -> object:
    """Do in a worker process what ``how`` says."""
    if how == "hang":
        time.sleep(600)
    if how == "exit":
        os._exit(7)
    if how == "leave":
        raise SystemExit(3)
    if how == "abort":
        os.abort()
    if how == "crash":
        ctypes.string_at(0)
    if how == "refuse":
        raise VideoError("is no video")
    if how == "fail":
        raise ZeroDivisionError("a defect")
    if how == "fail twice":
        raise TwoCausesError("this", "that")
    if how == "give a lock":
        return threading.Lock()
    if how == "ignore Ctrl-C":
        os.kill(os.getpid(), signal.SIGINT)
    return f"{how} done"


def children() -> set[int]:
    """Return the ids of this process's descendants, less multiprocessing's own tracker."""
    found = psutil.Process().children(recursive=True)
    return {child.pid for child in found if "resource_tracker" not in command_of(child)}


def run(items: list[str], num_workers: int = 2) -> dict[str, Outcome[str, str]]:
    outcomes = map_isolated(behave, items, num_workers=num_workers, timeout_sec=TIMEOUT_SEC, memory_mb=MEMORY_MB)
    return {outcome.item: outcome for outcome in outcomes}


REASONS = {
    "hang": "took longer than its limit of 1.5 s",
    "exit": "its process ended (exit code 7)",
    "leave": "SystemExit: 3",
    "abort": "its process ended by SIGABRT",
    "crash": "its process ended by SIGSEGV",
    "refuse": "is no video",
    "fail": "ZeroDivisionError: a defect",
    "fail twice": "TwoCausesError: this and that",
    "give a lock": "TypeError: cannot pickle '_thread.lock' object",
}


@pytest.fixture(scope="module")
def left_over() -> list[set[int]]:
    return []


@pytest.fixture(scope="module")
def outcomes(left_over: list[set[int]]) -> dict[str, Outcome[str, str]]:
    before = children()
    found = run([name for trouble in REASONS for name in (trouble, f"after {trouble}")])
    left_over.append(children() - before)
    return found


@pytest.mark.parametrize(("trouble", "reason"), REASONS.items())
def test_each_trouble_gives_its_reason(outcomes: dict[str, Outcome[str, str]], trouble: str, reason: str):
    assert outcomes[trouble] == Outcome(trouble, None, reason)


def test_the_other_tasks_give_their_results(outcomes: dict[str, Outcome[str, str]]):
    good = {name: outcome for name, outcome in outcomes.items() if name.startswith("after")}
    assert len(outcomes) == 2 * len(REASONS)
    assert good == {name: Outcome(name, f"{name} done", None) for name in good}
    assert len(good) == len(REASONS)


def test_a_worker_leaves_ctrl_c_to_its_parent():
    assert run(["ignore Ctrl-C"])["ignore Ctrl-C"].result == "ignore Ctrl-C done"


def test_no_process_is_left(outcomes: dict[str, Outcome[str, str]], left_over: list[set[int]]):
    assert left_over == [set()]


def test_a_loop_that_is_left_early_leaves_no_process():
    before = children()
    loop = map_isolated(
        behave, ["one", "hang"], num_workers=2, timeout_sec=lambda item: 60.0 if item == "hang" else 30.0,
        memory_mb=MEMORY_MB,
    )  # fmt: skip
    assert next(loop).result == "one done"
    assert children() - before, "the hanging task should be running still"
    loop.close()
    assert children() - before == set()


def test_a_lost_worker_leaves_no_open_file_and_no_thread_behind():
    run(["one"])
    before = psutil.Process().num_fds(), threading.active_count()
    run(["exit", "abort", "exit"])
    assert (psutil.Process().num_fds(), threading.active_count()) == before


class Counted(Sequence[int]):
    """A thousand million numbers that remember how many of them were taken."""

    taken = 0

    def __len__(self) -> int:
        return 10**9

    def __getitem__(self, index: Any) -> Any:
        self.taken = index + 1
        return index


def test_items_are_taken_a_few_ahead_of_the_consumer():
    items = Counted()
    loop = map_isolated(operator.neg, items, num_workers=2, timeout_sec=30, memory_mb=MEMORY_MB)
    for fetched in range(1, 31):
        outcome = next(loop)
        assert outcome.result == -outcome.item
        assert items.taken < fetched + 10
    until = time.monotonic() + 10
    while items.taken <= fetched + 1:  # the workers go on while the consumer is busy
        assert time.monotonic() < until
        time.sleep(0.01)
    time.sleep(0.3)
    assert items.taken < fetched + 10
    loop.close()


class Unknown:
    """A function that no other process can import."""

    def __call__(self, how: str) -> str:
        return how

    def __reduce__(self) -> tuple[object, ...]:
        return operator.getitem, ({}, "not here")


def test_a_worker_that_cannot_start_is_an_error(capfd: pytest.CaptureFixture[str]):
    with pytest.raises(EngineError, match=r"a worker must start .* its process ended \(exit code 1\)"):
        list(map_isolated(Unknown(), ["one"], num_workers=1, timeout_sec=30, memory_mb=MEMORY_MB))
    assert "KeyError: 'not here'" in capfd.readouterr().err


def test_what_the_limit_raises_ends_the_loop():
    with pytest.raises(ZeroDivisionError):
        list(map_isolated(behave, ["one"], num_workers=1, timeout_sec=lambda _: 1 / 0, memory_mb=MEMORY_MB))


def test_a_worker_takes_one_thread_and_the_environment_of_this_process_stays(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    loop = map_isolated(os.getenv, ["OMP_NUM_THREADS"] * 2, num_workers=1, timeout_sec=30, memory_mb=MEMORY_MB)
    assert next(loop).result == "1"
    assert os.environ["OMP_NUM_THREADS"] == "5"
    loop.close()


def test_nothing_to_do_starts_no_process():
    before = children()
    assert run([]) == {}
    assert list(map_parallel(operator.neg, [], num_workers=2)) == []
    assert list(map_in_order(operator.neg, [], num_workers=2)) == []
    assert children() == before


@pytest.mark.parametrize("num_workers", [1, 2])
def test_map_parallel_gives_every_result_once(num_workers: int):
    assert sorted(map_parallel(operator.neg, list(range(9)), num_workers=num_workers)) == list(range(-8, 1))


@pytest.mark.parametrize("num_workers", [1, 2])
def test_an_exception_ends_map_parallel(num_workers: int):
    with pytest.raises(TypeError, match="str"):
        list(map_parallel(operator.neg, [1, "two", 3], num_workers=num_workers))


@pytest.mark.parametrize("num_workers", [1, 2, 4])
def test_map_in_order_keeps_the_order(num_workers: int):
    assert list(map_in_order(operator.neg, range(9), num_workers=num_workers)) == list(range(0, -9, -1))


@pytest.mark.parametrize(("num_workers", "num_taken"), [(1, 2), (2, 2), (3, 3)])
def test_map_in_order_takes_a_round_at_a_time(num_workers: int, num_taken: int):
    items = iter(range(9))
    results = map_in_order(operator.neg, items, num_workers=num_workers)
    assert [next(results), next(results)] == [0, -1]
    results.close()
    assert next(items) == num_taken


@pytest.mark.parametrize("num_workers", [1, 2])
def test_an_exception_ends_map_in_order(num_workers: int):
    results = map_in_order(operator.neg, [1, 2, "three", 4], num_workers=num_workers)
    assert [next(results), next(results)] == [-1, -2]
    with pytest.raises(TypeError, match="str"):
        next(results)


def test_one_worker_is_this_process():
    assert list(map_in_order(lambda _: os.getpid(), [1, 2], num_workers=1)) == [os.getpid()] * 2


def test_zero_workers_are_one_for_each_core_of_this_process():
    assert resolve_num_workers(0) == len(os.sched_getaffinity(0))
    assert resolve_num_workers(3) == 3
