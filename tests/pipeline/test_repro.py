"""The first `dvc repro`, and what a second one does."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from project import ACTIONS, Project, make_project
from ruamel.yaml import YAML

pytestmark = pytest.mark.pipeline

OUTS = ("data", "search", "model", "metrics", "plots")


def digests(root: Path) -> dict[str, str]:
    """Return the digest of every file that the stages made."""
    files = [file for out in OUTS for file in (root / out).rglob("*") if file.is_file()]
    return {str(file.relative_to(root)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def stages_run(output: str) -> list[str]:
    return re.findall(r"Running stage '(\w+)'", output)


def test_the_table_names_winner_baseline_and_where_to_look(finished: Project) -> None:
    table = finished.output[finished.output.rindex("Running stage 'register'") :]
    metrics = json.loads((finished.root / "metrics/test.json").read_text())
    assert "winner model.backbone" in table
    assert f"{metrics['top1']:.3f}" in table
    assert f"{metrics['macro_f1']:.3f}" in table
    assert "mlflow ui --backend-store-uri sqlite:///mlflow.db" in table


def test_the_manifest_has_its_columns_and_groups_do_not_cross_splits(finished: Project, videos: Path) -> None:
    manifest = pd.read_csv(finished.root / "data/manifest.csv")
    wanted = (
        "video_id,path,label,group,split,start_sec,end_sec,num_frames,fps,duration_sec,width,height,rotation_deg,flipped,"
        "sample_aspect_ratio,codec,pixel_format,num_video_streams,num_audio_streams,reader,indexed,digest"
    )
    assert list(manifest.columns) == wanted.split(",")
    assert set(manifest["path"]) == {str(file.relative_to(videos)) for file in videos.rglob("*.mp4")}
    assert manifest.groupby("group")["split"].nunique().max() == 1
    row = manifest.iloc[0]
    assert row["digest"] == hashlib.sha256((videos / row["path"]).read_bytes()).hexdigest()


def test_the_metrics_follow_from_the_predictions(finished: Project) -> None:
    metrics = json.loads((finished.root / "metrics/test.json").read_text())
    predictions = pd.read_csv(finished.root / "metrics/predictions.csv")
    manifest = pd.read_csv(finished.root / "data/manifest.csv")
    assert set(predictions["video_id"]) == set(manifest[manifest["split"] == "test"]["video_id"])
    assert metrics["num_videos"] == len(predictions)
    assert metrics["top1"] == pytest.approx((predictions["label"] == predictions["predicted"]).mean())
    assert metrics["baseline_top1"] == pytest.approx((predictions["label"] == predictions["baseline_predicted"]).mean())
    assert "top5" not in metrics  # three classes
    assert predictions[[f"p_{action}" for action in ACTIONS]].sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-5)


def test_the_search_leaves_a_ranked_list_with_its_out_of_fold_predictions(finished: Project) -> None:
    best = YAML(typ="safe").load(finished.root / "search/best.yaml")
    trials = pd.read_csv(finished.root / "search/trials.csv")
    with np.load(finished.root / "search/oof.npz") as oof:
        assert oof["probabilities"].shape[0] == len(best["ranked"])
        assert oof["probabilities"].sum(-1) == pytest.approx(1, abs=1e-5)
    assert len(trials) == 6
    complete = trials[trials["state"] == "COMPLETE"]
    assert best["ranked"][0]["value"] == pytest.approx(complete["value"].max(), abs=1e-6)
    assert best["beats_baseline"] == (best["ranked"][0]["value"] > best["baseline"])


def test_a_second_run_does_nothing_but_scan(finished: Project) -> None:
    before = digests(finished.root)
    assert stages_run(finished.repro()) == ["scan"]
    assert digests(finished.root) == before


def test_no_out_tells_a_run_a_time_or_a_place(finished: Project) -> None:
    for file in [f for out in OUTS for f in (finished.root / out).rglob("*") if f.suffix in (".json", ".yaml", ".csv")]:
        text = file.read_text()
        assert str(finished.root) not in text, file
        assert not re.search(r"\b20\d\d-\d\d-\d\d|\b[0-9a-f]{32}\b", text), file


def test_an_interrupted_run_continues_to_the_same_bytes(finished: Project, videos: Path, tmp_path: Path) -> None:
    project = make_project(tmp_path / "again", str(videos))
    project.set(engine={"num_workers": 2})  # the finished one has done all by itself
    process = project.start("dvc", "repro", start_new_session=True)
    assert process.stdout is not None
    for line in process.stdout:
        if "Running stage 'extract_features'" in line:
            break
    deadline = time.monotonic() + 120
    while not list((project.root / "data/features").rglob("*.safetensors")) and time.monotonic() < deadline:
        time.sleep(0.05)
    # As Ctrl-C in a terminal does: the signal reaches dvc, the stage and its workers.
    os.killpg(process.pid, signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode != 0, rest
    stored = list((project.root / "data/features").rglob("*.safetensors"))
    assert 0 < len(stored) < 48, "the interrupt came too late to show anything"
    assert "search" in stages_run(project.repro())
    assert digests(project.root) == digests(finished.root)
