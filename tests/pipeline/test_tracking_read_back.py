"""The MLflow store after a real run: parent, children, tags, version, aliases, and what the model answers."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient
from project import Project

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def client(finished: Project) -> MlflowClient:
    return MlflowClient(f"sqlite:///{finished.root}/mlflow.db")


@pytest.fixture(scope="module")
def runs(client: MlflowClient) -> list[Any]:
    experiment = client.get_experiment_by_name("varml")
    return list(client.search_runs([experiment.experiment_id], max_results=1000))


def of_kind(runs: list[Any], kind: str) -> list[Any]:
    return [run for run in runs if run.data.tags.get("varml.kind") == kind]


def test_artifacts_lie_under_the_project(client: MlflowClient, finished: Project) -> None:
    experiment = client.get_experiment_by_name("varml")
    assert experiment.artifact_location == (finished.root / "mlartifacts" / "varml").as_uri()


def test_one_parent_and_a_child_for_each_trial_with_its_status(runs: list[Any], finished: Project) -> None:
    (parent,) = of_kind(runs, "search")
    trials = pd.read_csv(finished.root / "search/trials.csv")
    children = of_kind(runs, "trial")
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    status = {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAIL": "FAILED"}
    expected = {str(row.number): status[row.state] for row in trials.itertuples()}
    assert {run.data.tags["varml.trial"]: run.info.status for run in children} == expected
    assert parent.info.status == "FINISHED"
    assert len(of_kind(runs, "baseline")) == 1
    assert not [run for run in runs if run.info.status == "RUNNING"]


def test_the_parent_has_the_plots_of_its_study(runs: list[Any], client: MlflowClient) -> None:
    (parent,) = of_kind(runs, "search")
    found = {Path(item.path).name for item in client.list_artifacts(parent.info.run_id, "plots")}
    names = ["history", "importances", "slices-1", "slices-2", "parallel"]
    assert found == {"search.html", *(f"{name}.png" for name in names)}


def test_a_trial_has_its_params_and_a_point_for_each_epoch(runs: list[Any], client: MlflowClient) -> None:
    for run in of_kind(runs, "trial"):
        model = {"model.backbone", "model.pooling", "model.fusion", "model.attention.depth"}
        searched = model | {"train.lr", "train.mirror"}
        assert searched == set(run.data.params)
        history = client.get_metric_history(run.info.run_id, "val_loss")
        assert sorted(point.step for point in history) == list(range(6))


def test_every_run_says_where_it_comes_from(runs: list[Any], finished: Project) -> None:
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=finished.root, capture_output=True, text=True, check=True)
    for run in runs:
        assert run.data.tags["varml.git.commit"] == head.stdout.strip()
        assert run.data.tags["varml.git.dirty"] == "false"
        assert run.data.tags["varml.dvc.stage"] in ("search", "train")
        assert len(run.data.tags["varml.input.data/manifest.csv"]) == 32


def test_the_training_run_has_curves_data_sources_and_test_figures(
    runs: list[Any], client: MlflowClient, finished: Project
) -> None:
    (run,) = of_kind(runs, "train")
    assert len(client.get_metric_history(run.info.run_id, "train_loss")) == 6
    metrics = json.loads((finished.root / "metrics/test.json").read_text())
    assert run.data.metrics["test_top1"] == pytest.approx(metrics["top1"])
    artifacts = {item.path for item in client.list_artifacts(run.info.run_id)}
    assert {"params.yaml", "dvc.yaml", "confusion.png", "evaluations"} <= artifacts
    searched = {item.path for item in client.list_artifacts(run.info.run_id, "provenance/search")}
    assert {Path(path).name for path in searched} == {"best.yaml", "oof.npz", "baseline.json"}
    (data,) = client.get_run(run.info.run_id).inputs.dataset_inputs
    assert data.dataset.name == "manifest"


def test_the_version_links_to_its_run_and_both_aliases_point_at_it(runs: list[Any], client: MlflowClient) -> None:
    (run,) = of_kind(runs, "train")
    (version,) = client.search_model_versions("name='varml'")
    assert version.run_id == run.info.run_id
    assert version.tags["varml.model_digest"] == run.data.tags["varml.model_digest"]
    assert client.get_model_version_by_alias("varml", "challenger").version == version.version
    assert client.get_model_version_by_alias("varml", "champion").version == version.version


def test_a_run_made_by_hand_is_tagged_too(finished: Project) -> None:
    code = (
        "import mlflow; r = mlflow.start_run(); mlflow.end_run(); print(dict(mlflow.get_run(r.info.run_id).data.tags))"
    )
    status, output = finished.run(
        "python", "-c", f"import mlflow; mlflow.set_tracking_uri('sqlite:///by_hand.db'); {code}"
    )
    assert status == 0, output
    assert "varml.git.commit" in output
    assert "varml.input.data/manifest.csv" in output


def test_the_signature_is_one_binary_column_in_and_label_and_probabilities_out(client: MlflowClient) -> None:
    import mlflow

    (version,) = client.search_model_versions("name='varml'")
    mlflow.set_tracking_uri(client.tracking_uri)
    info = mlflow.models.get_model_info(version.source)
    assert [(c.name, c.type.name) for c in info.signature.inputs] == [("video", "binary")]
    assert [c.name for c in info.signature.outputs] == ["label", "probabilities"]
    assert set(info.flavors) == {"python_function", "varml"}
