"""One process that works on a study: it takes a trial, runs it and ends it, until the study has its number."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import optuna

from varml.errors import StoreError
from varml.search.objective import Objective
from varml.search.parallel.claims import alive
from varml.search.parallel.shared_study import SharedStudy
from varml.search.space import suggest

MAX_REASON_LENGTH = 300
# While others run the last trials: one of them may die, and its trial is then this worker's.
WAIT_SEC = 0.2


def work_on(
    shared: SharedStudy,
    objective: Objective,
    *,
    until: float = math.inf,
    look: Callable[[], None] = lambda: None,
) -> None:
    """Run trials until the study is complete, too many failed, or the wall clock says ``until``; ``look`` after each.

    Raises what is the machine's fault and not the configuration's, such as a full disk; the trial is queued again.
    """
    while not (time.time() > until or shared.too_many_failed()):
        trial = shared.next_trial()
        look()
        if trial is not None:
            _run(shared, objective, trial)
        elif shared.is_complete():
            return
        else:
            time.sleep(WAIT_SEC)


def _run(shared: SharedStudy, objective: Objective, trial: optuna.Trial) -> None:
    try:
        with alive(shared.study, trial):
            result = objective(trial, suggest(trial, shared.dimensions))
    except (StoreError, OSError, KeyboardInterrupt):
        shared.give_back(trial)
        raise
    except Exception as error:  # whatever one configuration does, the others go on
        shared.fail(trial, _reason(error))
    else:
        shared.finish(trial, result)


def _reason(error: Exception) -> str:
    # One line: it goes into a table, a tag and a message.
    return " ".join(f"{type(error).__name__}: {error}".split())[:MAX_REASON_LENGTH]
