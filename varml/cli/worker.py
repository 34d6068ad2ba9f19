"""What ``varml worker`` does: it joins the search of the project in the current folder."""

from __future__ import annotations

import time

from varml.config import load_params
from varml.search.parallel.shared_study import SharedStudy
from varml.search.parallel.worker import work_on
from varml.search.progress.reporter import Reporter
from varml.search.progress.watch import watched
from varml.search.project_data import project_work


def run_worker(timeout_sec: float | None) -> None:
    """Run trials until the study has its number, or for ``timeout_sec``; it must have its features already.

    `dvc repro` logs them and ranks them: the study is all that the two have in common.
    """
    work, _ = project_work(load_params())
    until = time.time() + timeout_sec if timeout_sec is not None else float("inf")
    shared = SharedStudy.open(work)
    print(f"joins the study {work.name}, which has {len(shared.ended())} of {shared.num_trials} trials", flush=True)
    search = work.params.search
    with watched(shared.num_trials, search.num_workers, search.latency_budget_ms) as watch:
        look = Reporter(shared, watch)
        look()
        work_on(shared, work.make_objective(), until=until, look=look)
