"""MLflow goes away while a search runs: the search goes on, and all of it is written once MLflow is back."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import build_opener

import pytest
from planted import Planted
from project import free_port
from searching import next_name, search_with, trial_runs

from varml.config import Params
from varml.config.space import apply_values
from varml.errors import TrackingError
from varml.search.study import load_study
from varml.tracking.runs import children


@contextmanager
def mlflow_server(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a real MLflow server that answers; it is killed after the block, if it still runs."""
    store = f"sqlite:///{folder / 'server.db'}"
    place = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store, *place]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_until_it_answers(process, port)
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Kill a server with the processes that it has started."""
    import psutil

    if process.poll() is None:
        family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
        for member in family:
            member.kill()
        psutil.wait_procs(family)
    process.wait()


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        assert process.poll() is None, "the server has ended"
        try:
            build_opener().open(f"http://127.0.0.1:{port}/health", timeout=1).close()
            return
        except OSError:
            time.sleep(0.2)
    raise AssertionError("the server does not answer")


def test_a_search_outlives_an_outage_of_mlflow(
    searched: Params, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port, name = free_port(), next_name()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    few = apply_values(searched, {"search.num_trials": 6})
    with mlflow_server(tmp_path, port) as server:
        planted = Planted(few, {"large": lambda: stop(server)}, parent=0)
        with pytest.raises(
            TrackingError, match=r"has its 6 trials, and not all of them are in MLflow: .* the next `dvc"
        ):
            search_with(planted, few, tmp_path / "studies", name)
    assert "the search goes on" in capsys.readouterr().err
    assert [trial.state.is_finished() for trial in load_study(tmp_path / "studies", name).trials] == [True] * 6

    with mlflow_server(tmp_path, port):
        made = search_with(Planted(few), few, tmp_path / "studies", name)
        assert len(made.result.trials) == 6
        runs = trial_runs(made.parent)
        assert set(runs) == set(range(6))
        assert "RUNNING" not in {run.info.status for run in children(made.parent)}
        losses = made.parent.client.get_metric_history(runs[5].info.run_id, "val_loss")
        assert len(losses) == few.train.num_epochs  # the curves too: they are kept with the study
        again = search_with(Planted(few), few, tmp_path / "studies", name)
        assert {run.info.run_id for run in trial_runs(again.parent).values()} == {r.info.run_id for r in runs.values()}
