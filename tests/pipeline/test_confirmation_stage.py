"""The stage that confirms: real trainings from stored pixels, also where it is killed in the midst of them."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from confirming_project import confirming_project, outs_of, run_search, start_search
from mlflow.tracking import MlflowClient

from pipelines.train import main as train
from varml.config import load_params
from varml.models.model_files import load_model
from varml.search.results import read_best
from varml.training.out_of_fold import read_oof


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project whose search has ended, its output in ``output.txt``."""
    with confirming_project(tmp_path_factory.mktemp("confirming")) as folder:
        (folder / "output.txt").write_text(run_search(folder))
        yield folder


def kept(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mtime_ns for file in (folder / ".varml/studies").rglob("confirmed-*.npz")}


def runs(folder: Path, kind: str) -> list[Any]:
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name("varml")
    return list(client.search_runs([experiment.experiment_id], f"tags.`varml.kind` = '{kind}'"))


def test_both_fusions_are_trained_end_to_end_in_both_folds(undisturbed: Path) -> None:
    best, oof = read_best(undisturbed / "search/best.yaml"), read_oof(undisturbed / "search/oof.npz")
    confirmed = [entry["params"] for entry in best["ranked"] if entry.get("confirmed")]
    assert sorted(params["model.fusion"] for params in confirmed) == ["flow", "rgb"]
    assert {params["train.unfreeze"] for params in confirmed} == {"last_stage"}
    assert len(best["ranked"]) == 4
    assert (best["confirmation"]["num"], best["confirmation"]["num_failed"]) == (2, 0)
    assert np.isfinite(oof.probabilities).all()
    frozen, tuned = (
        [said for said, entry in zip(oof.probabilities, best["ranked"], strict=True) if entry.get("confirmed") == how]
        for how in (None, True)
    )
    assert not any(np.allclose(one, other) for one in frozen for other in tuned)
    assert len(kept(undisturbed)) == 4
    assert not list((undisturbed / ".varml/studies").rglob("training-*")), "what is over needs no checkpoint"
    assert "end to end 2/2" in (undisturbed / "output.txt").read_text()


def test_each_is_a_run_with_the_curve_of_all_its_epochs(undisturbed: Path) -> None:
    client = MlflowClient(f"sqlite:///{undisturbed}/mlflow.db")
    found = runs(undisturbed, "confirmation")
    assert [run.info.status for run in found] == ["FINISHED"] * 2
    for run in found:
        losses = client.get_metric_history(run.info.run_id, "train_loss")
        assert [point.step for point in losses] == list(range(2 + 3))
        assert run.info.start_time < run.info.end_time


def test_a_second_run_trains_nothing(undisturbed: Path, tmp_path: Path) -> None:
    before, logged = outs_of(undisturbed), {run.info.run_id for run in runs(undisturbed, "confirmation")}
    shutil.rmtree(undisturbed / "search")
    # Without pixels nothing could be trained.
    for name in ("frames", "flow"):
        (undisturbed / "data" / name).rename(tmp_path / name)
    try:
        run_search(undisturbed)
    finally:
        for name in ("frames", "flow"):
            (tmp_path / name).rename(undisturbed / "data" / name)
    assert outs_of(undisturbed) == before
    assert {run.info.run_id for run in runs(undisturbed, "confirmation")} == logged


def test_a_kill_in_the_midst_costs_no_finished_training(undisturbed: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(undisturbed, tmp_path / "killed", symlinks=True)
    shutil.rmtree(folder / "search")
    shutil.rmtree(folder / ".varml")
    (folder / "mlflow.db").unlink()
    stage = start_search(folder)
    end = time.monotonic() + 240
    while not kept(folder):
        assert stage.poll() is None
        assert time.monotonic() < end
        time.sleep(0.002)
    os.kill(stage.pid, signal.SIGKILL)
    stage.communicate()
    before = kept(folder)
    assert 0 < len(before) < 4
    assert not (folder / "search/best.yaml").exists()
    output = run_search(folder)
    assert outs_of(folder) == outs_of(undisturbed)
    assert {name: kept(folder)[name] for name in before} == before
    assert kept(folder).keys() == kept(undisturbed).keys()
    assert "trial 1/2" not in output
    found = [run for run in runs(folder, "confirmation") if run.info.lifecycle_stage == "active"]
    assert [run.info.status for run in found] == ["FINISHED"] * 2


@pytest.mark.parametrize("confirmed", [True, False])
def test_the_model_that_is_served_is_trained_as_it_was_validated(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, confirmed: bool
) -> None:
    folder = shutil.copytree(undisturbed, tmp_path / "served", symlinks=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
    _rank_first(folder, confirmed)
    params = load_params()
    alone = params.train.model_copy(update={"ensemble": params.train.ensemble.model_copy(update={"max_members": 1})})
    # Whatever params.yaml says by now.
    elsewhere = alone.model_copy(update={"unfreeze": "none" if confirmed else "all", "augment": 0.0})
    train(params.model_copy(update={"train": elsewhere}))
    model = load_model(folder / "model")
    own = [key for key in model.backbones if not model.description.is_frozen(key)]
    assert bool(own) == confirmed
    (run,) = runs(folder, "train")
    assert run.data.params["train.unfreeze"] == ("last_stage" if confirmed else "none")


def _rank_first(folder: Path, confirmed: bool) -> None:
    """Put one that was confirmed, or was not, first, with its predictions."""
    from ruamel.yaml import YAML

    from varml.training.out_of_fold import OutOfFold, write_oof

    best, oof = read_best(folder / "search/best.yaml"), read_oof(folder / "search/oof.npz")
    order = sorted(
        range(len(best["ranked"])), key=lambda rank: bool(best["ranked"][rank].get("confirmed")) != confirmed
    )
    best["ranked"] = [best["ranked"][rank] for rank in order]
    with (folder / "search/best.yaml").open("w") as file:
        YAML().dump(best, file)
    write_oof(folder / "search/oof.npz", OutOfFold(oof.video_ids, oof.labels, oof.folds, oof.probabilities[order]))
