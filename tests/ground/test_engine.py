"""Work in other processes: what hangs, dies, eats memory or raises costs its own task and no other."""

from __future__ import annotations

import operator
import os
import signal
import time

import psutil
import pytest

from varml.errors import VideoError
from varml.ground.engine import Outcome, map_isolated, map_parallel, resolve_num_workers

TIMEOUT_SEC = 1.5
MEMORY_MB = 1024


def behave(how: str) -> str:
    """Do in a worker process what ``how`` says."""
    if how == "hang":
        time.sleep(600)
    if how == "hang and ignore SIGTERM":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    if how == "exit":
        os._exit(7)
    if how == "abort":
        os.abort()
    if how == "eat":
        return str(len(bytearray(4 * MEMORY_MB << 20)))
    if how == "refuse":
        raise VideoError("is no video")
    if how == "fail":
        raise ZeroDivisionError("a defect")
    return f"{how} done"


def children() -> set[int]:
    """Return the ids of this process's descendants, less multiprocessing's own tracker."""
    found = psutil.Process().children(recursive=True)
    return {child.pid for child in found if not any("resource_tracker" in part for part in child.cmdline())}


def run(items: list[str], num_workers: int = 2) -> dict[str, Outcome[str, str]]:
    outcomes = map_isolated(behave, items, num_workers=num_workers, timeout_sec=TIMEOUT_SEC, memory_mb=MEMORY_MB)
    return {outcome.item: outcome for outcome in outcomes}


@pytest.fixture(scope="module")
def left_over() -> list[set[int]]:
    return []


@pytest.fixture(scope="module")
def outcomes(left_over: list[set[int]]) -> dict[str, Outcome[str, str]]:
    before = children()
    bad = ["hang", "hang and ignore SIGTERM", "exit", "abort", "eat", "refuse", "fail"]
    found = run([name for trouble in bad for name in (trouble, f"after {trouble}")])
    left_over.append(children() - before)
    return found


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        ("hang", "took longer than its limit of 1.5 s"),
        ("hang and ignore SIGTERM", "took longer than its limit of 1.5 s"),
        ("exit", "its process ended (exit code 7)"),
        ("abort", "its process ended (exit code -6)"),
        ("eat", "took more memory than its limit"),
        ("refuse", "is no video"),
        ("fail", "ZeroDivisionError: a defect"),
    ],
)
def test_each_trouble_gives_its_reason(outcomes: dict[str, Outcome[str, str]], trouble: str, reason: str):
    assert outcomes[trouble] == Outcome(trouble, None, reason)


def test_the_other_tasks_give_their_results(outcomes: dict[str, Outcome[str, str]]):
    good = {name: outcome for name, outcome in outcomes.items() if name.startswith("after")}
    assert len(outcomes) == 14
    assert good == {name: Outcome(name, f"{name} done", None) for name in good}
    assert len(good) == 7


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


def test_nothing_to_do_starts_no_process():
    before = children()
    assert run([]) == {}
    assert list(map_parallel(operator.neg, [], num_workers=2)) == []
    assert children() == before


@pytest.mark.parametrize("num_workers", [1, 2])
def test_map_parallel_gives_every_result_once(num_workers: int):
    assert sorted(map_parallel(operator.neg, list(range(9)), num_workers=num_workers)) == list(range(-8, 1))


@pytest.mark.parametrize("num_workers", [1, 2])
def test_an_exception_ends_map_parallel(num_workers: int):
    with pytest.raises(TypeError, match="str"):
        list(map_parallel(operator.neg, [1, "two", 3], num_workers=num_workers))


def test_zero_workers_are_one_for_each_core_of_this_process():
    assert resolve_num_workers(0) == len(os.sched_getaffinity(0))
    assert resolve_num_workers(3) == 3
