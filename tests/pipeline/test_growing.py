"""What a change costs: an added video, an added backbone, an interrupted search."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import time
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient
from project import Project
from walks import yaml_of

from varml.config.tree import get_path
from varml.training.checkpoint import Checkpoint

pytestmark = pytest.mark.pipeline


def stored(project: Project, name: str) -> dict[str, int]:
    """Return the time of change of every file of an extraction."""
    folder = project.root / "data" / name
    return {str(f.relative_to(folder)): f.stat().st_mtime_ns for f in folder.rglob("*") if f.is_file()}


def add_backbone(project: Project) -> None:
    """Do the walk of CONTRIBUTING.md, with weights that anybody can make."""
    from safetensors.torch import save_file

    from varml.models.backbones import _timm

    (project.root / "weights").mkdir()
    save_file(_timm().create_model("resnet10t").state_dict(), project.root / "weights/resnet10t.safetensors")
    walk, backbones = yaml_of("Adding a backbone"), "search.space.model.backbone"
    project.set(features=walk["features"])
    project.choose(backbones, get_path(walk, backbones))


def with_one_more(videos: Path, folder: Path) -> Path:
    """Copy the videos to a folder, with one more: another file of the same frames as one of them."""
    shutil.copytree(videos, folder)
    content = (videos / "wave/person01_1.mp4").read_bytes()
    (folder / "wave/person05_1.mp4").write_bytes(content + b"\0\0\0\x08free")  # an empty box
    return folder


def test_adding_a_backbone_and_a_video_computes_just_that(finished: Project, videos: Path, tmp_path: Path) -> None:
    project = finished.copy(tmp_path / "grown")
    before = stored(project, "features")
    add_backbone(project)
    project.repro("search")
    grown = stored(project, "features")
    assert grown.items() >= before.items()
    new = set(grown) - set(before)
    assert len(new) == 2 * 24  # as they are and mirrored
    assert {name.split("/")[0] for name in new} == {"resnet10t"}
    earlier, trials = (pd.read_csv(root / "search/trials.csv") for root in (finished.root, project.root))
    # Those that were pruned come after the others.
    same = [
        table.drop(columns="number").sort_values("log_loss", ignore_index=True)
        for table in (earlier, trials[: len(earlier)])
    ]
    pd.testing.assert_frame_equal(*same)
    assert "resnet10t" in trials["model.backbone"][len(earlier) :].tolist()

    project.set(data={"source": str(with_one_more(videos, tmp_path / "videos"))})
    earlier_files = {name: stored(project, name) for name in ("frames", "flow", "features")}
    project.repro("extract_features")
    after = {name: stored(project, name) for name in earlier_files}
    assert [len(after[name]) - len(earlier_files[name]) for name in after] == [1, 1, 6]  # of three backbones
    assert all(after[name].items() >= earlier_files[name].items() for name in after)

    status, output = project.run("varml", "clean")
    assert (status, output.strip().splitlines()[-1].split(",")[0]) == (0, "removed 0 files")
    project.set(data={"source": str(videos)})
    for command in (("python", "-m", "pipelines.scan"), ("python", "-m", "pipelines.ingest"), ("varml", "clean")):
        status, output = project.run(*command)
        assert status == 0, output
    assert "removed 8 files" in output  # frames, flow, and features of three backbones, as they are and mirrored


def test_augmentation_trains_another_model_which_the_gate_compares_and_leaves_the_search_alone(
    finished: Project, tmp_path: Path
) -> None:
    project = finished.copy(tmp_path / "augmented")
    before = [(project.root / name).read_bytes() for name in ("model/weights.safetensors", "search/best.yaml")]
    project.set(train={"augment": 0.5})
    output = project.repro("train")
    assert "'walk_left' and 'walk_right' look like mirror images" in output
    # The search asks whether that changes what it confirms; it confirms nothing, and all trials are there.
    assert "trial " not in output
    after = [(project.root / name).read_bytes() for name in ("model/weights.safetensors", "search/best.yaml")]
    assert before[0] != after[0]
    assert before[1] == after[1]
    client = MlflowClient(f"sqlite:///{project.root}/mlflow.db")
    experiment = client.get_experiment_by_name("varml")
    (run, *_) = client.search_runs([experiment.experiment_id], "tags.`varml.kind` = 'train'", max_results=5)
    assert run.data.params["train.augment"] == "0.5"

    # More than there is to gain: the gate compares, and says no.
    project.set(register={"promote": "auto", "gate": {"min_gain": 1}})
    output = project.repro()
    assert "version 2 is not promoted, version 1 stays @champion:" in output
    decided = client.get_model_version("varml", "2").tags
    assert decided["varml.gate"] == "refused"
    tested = [json.loads((root / "metrics/test.json").read_text())["top1"] for root in (project.root, finished.root)]
    figures = [float(decided[f"varml.gate.{name}"]) for name in ("top1", "champion", "gain")]
    assert figures == pytest.approx([*tested, tested[0] - tested[1]], abs=1e-4)
    assert 0 < float(decided["varml.gate.latency_ms"]) < 10_000
    status, output = project.run("varml", "promote", "--force", "--reason", "to see it serve")
    assert status == 0, output
    assert str(client.get_model_version_by_alias("varml", "champion").version) == "2"


def test_a_killed_training_on_changed_clips_goes_on_from_its_last_epoch(finished: Project, tmp_path: Path) -> None:
    project = finished.copy(tmp_path / "killed")
    project.set(train={"augment": 0.5, "ema": 0.9})
    weights, kept = project.root / "model/weights.safetensors", project.root / ".varml/checkpoints/train"
    command = ("python", "-m", "pipelines.train")
    status, output = project.run(*command)
    assert status == 0, output
    undisturbed = weights.read_bytes()
    assert list(kept.iterdir()) == [], "what is saved as a model needs no checkpoint"
    shutil.rmtree(weights.parent)

    process = project.start(*command, start_new_session=True)
    while not list(kept.glob("*.checkpoint")):
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not weights.exists()
    (file,) = kept.glob("*.checkpoint")
    status, output = project.run("varml", "clean")
    assert status == 0, output
    assert file.exists()

    checkpoint = Checkpoint(file, file.stem)
    state = checkpoint.load()
    assert state is not None
    assert 1 <= len(state["metrics"]) <= 6
    state["metrics"][0]["train_loss"] = 123.0  # reported again by who goes on, and by no one else
    checkpoint.save(state)
    status, output = project.run(*command)
    assert status == 0, output
    assert weights.read_bytes() == undisturbed
    assert list(kept.iterdir()) == []
    client = MlflowClient(f"sqlite:///{project.root}/mlflow.db")
    experiment = client.get_experiment_by_name("varml")
    (run, *_) = client.search_runs([experiment.experiment_id], "tags.`varml.kind` = 'train'", max_results=5)
    losses = [point.value for point in client.get_metric_history(run.info.run_id, "train_loss")]
    assert len(losses) == 6
    assert losses[0] == 123.0


def test_an_interrupted_search_loses_no_trial_and_leaves_nothing_running(finished: Project, tmp_path: Path) -> None:
    project = finished.copy(tmp_path / "interrupted")
    project.set(search={"num_trials": 12, "sampler": "random"})
    process = project.start("dvc", "repro", "search", start_new_session=True)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("trial 8/"):  # six are those of the finished project
            break
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode != 0
    output = project.repro("search")
    numbers = [int(number) for number in re.findall(r"^trial (\d+)/12", output, flags=re.MULTILINE)]
    assert numbers[0] >= 9, "trials that had ended were run again"
    assert numbers[-1] == 12
    trials = pd.read_csv(project.root / "search/trials.csv")
    assert len(trials) == 12
    client = MlflowClient(f"sqlite:///{project.root}/mlflow.db")
    # Copied with the project: the experiment of the first search is the same, its study another.
    experiment = client.get_experiment_by_name("varml")
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    assert not [run for run in runs if run.info.status == "RUNNING"]
    (parent, *_) = [r for r in runs if r.data.tags.get("varml.kind") == "search"]
    children = [r for r in runs if r.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert sorted(int(r.data.tags["varml.trial"]) for r in children if "varml.trial" in r.data.tags) == sorted(
        trials["number"]
    )
