"""A search in a real terminal and in a pipe."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

import pyte
import pytest

COLUMNS, LINES = 100, 30
SCRIPT = """
import sys
from optuna.trial import TrialState, create_trial
from varml.search.progress.watch import watched

with watched(2, 1) as watch:
    trials = []
    for number in range(2):
        trial = create_trial(state=TrialState.COMPLETE, value=0.25 * (number + 1))
        trial.number = number
        trials.append(trial)
        watch.show(trials)
        watch.say(f"trial {number + 1}/2: a line")
    print("something else is printed", flush=True)
    if "fail" in sys.argv:
        raise SystemExit("it ends early")
"""


def in_a_terminal(*arguments: str) -> bytes:
    """Return what the script writes to a terminal of its own."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": str(COLUMNS), "LINES": str(LINES)}
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ):
        os.close(theirs)
        said = b""
        # Linux tells by an error that nobody has the other end any more.
        while chunk := _read(ours):
            said += chunk
    os.close(ours)
    return said


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""


def seen(said: bytes) -> list[str]:
    """Return the lines that stand on the terminal's screen in the end."""
    screen = pyte.Screen(COLUMNS, LINES)
    pyte.ByteStream(screen).feed(said)
    return [line.rstrip() for line in screen.display if line.strip()]


@pytest.fixture(scope="module")
def terminal() -> bytes:
    return in_a_terminal()


def test_a_terminal_is_left_with_the_last_table_alone(terminal: bytes) -> None:
    lines = seen(terminal)
    # Other prints stand above it, and no line for each trial.
    assert lines[0] == "something else is printed"
    assert re.fullmatch(r"trial 2/2: 2 complete, 0 pruned, 0 failed; 0:0\d so far", lines[1])
    assert lines[2].startswith("best: 0.500 by trial 1")
    assert [line.split("│")[1].strip() for line in lines if line.startswith("│")] == ["0", "1"]
    assert "a line" not in "\n".join(lines)


def test_a_terminal_is_drawn_anew_in_place(terminal: bytes) -> None:
    assert b"\x1b[1A" in terminal  # a line up
    assert terminal.endswith(b"\x1b[?25h")  # the cursor is shown again


def test_a_search_that_ends_early_gives_the_terminal_back() -> None:
    said = in_a_terminal("fail")
    lines = seen(said)
    assert b"\x1b[?25h" in said
    assert lines[-1] == "it ends early"
    assert any(line.startswith("best: 0.500") for line in lines)


def test_a_pipe_gets_a_line_for_each_trial_and_no_table() -> None:
    environment = {**os.environ, "TERM": "xterm"}
    output = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, env=environment
    ).stdout
    assert output.splitlines() == ["trial 1/2: a line", "trial 2/2: a line", "something else is printed"]
