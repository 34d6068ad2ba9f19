"""Every example of README.md, run in a finished project."""

from __future__ import annotations

import re
import shutil
import signal
from pathlib import Path

import pytest
from project import ROOT, Project, free_port, wait_for
from walks import blocks

from varml.config import load_params, parse_params

pytestmark = pytest.mark.pipeline

VIDEO = "sample/wave/person01_1.mp4"
COMMANDS = [line.split("  #")[0].strip() for block in blocks("README.md", "bash") for line in block.splitlines()]


@pytest.fixture(scope="module")
def project(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    copy = finished.copy(tmp_path_factory.mktemp("readme") / "project")
    for video in (VIDEO, "sample/walk_right/person01_1.mp4"):
        (copy.root / video).parent.mkdir(parents=True)
        shutil.copy(ROOT / video, copy.root / video)
    return copy


ENDING = [
    c for c in COMMANDS if c.startswith(("varml", "dvc metrics", "dvc plots")) and not c.startswith("varml serve")
]


@pytest.mark.parametrize("command", ENDING)
def test_a_command_does_what_it_says(project: Project, command: str) -> None:
    status, output = project.run(*command.split())
    assert status == 0, output
    expected = {
        "varml promote": "@champion",
        "varml lineage": "commit",
        "varml predict": VIDEO,
        "varml inspect": "inspected/person01_1.mp4",
        "varml doctor": "ok",
        "varml worker": "joins the study",
        "dvc": "t",
    }
    assert next(words for start, words in expected.items() if command.startswith(start)) in output
    assert "FAIL" not in output


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("dvc exp run")])
def test_the_command_for_other_data_reads_that_folder(
    project: Project, videos: Path, command: str, tmp_path: Path
) -> None:
    source = shutil.copytree(videos, tmp_path / "other")
    rows = [f"{file.relative_to(source)},{file.parent.name}\n" for file in source.rglob("*.mp4")]
    (source / "manifest.csv").write_text("path,label\n" + "".join(rows))
    command = re.sub(r"data\.source=\S+", f"data.source={source}", command)
    # Up to the stage that reads the folder; the rest is what `finished` ran.
    status, output = project.run(*command.split(), "ingest")
    assert status == 0, output
    params = load_params(project.root / "params.yaml")
    assert params.data.source == str(source)
    assert params.data.annotations == ("manifest.csv" if "annotations" in command else None)


def test_mlflow_ui_shows_the_runs(project: Project) -> None:
    (command,) = [c for c in COMMANDS if c.startswith("mlflow ui")]
    port = free_port()
    # One process and no job runner: neither shows runs, and to start and end them takes ten seconds.
    server = Project(project.root, environment={"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"})
    process = server.start(*command.split(), "--port", str(port), "--workers", "1", start_new_session=True)
    try:
        page = wait_for(f"http://127.0.0.1:{port}/", 90)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=120)
    assert b"MLflow" in page


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("varml serve")])
def test_the_service_answers_and_ends(project: Project, command: str) -> None:
    port = free_port()
    process = project.start(*command.split(), "--port", str(port))
    try:
        assert wait_for(f"http://127.0.0.1:{port}/ping", 90) == b"\n"
        (upload,) = [c for c in COMMANDS if c.startswith("curl")]
        if shutil.which("curl"):
            status, output = project.run(*upload.replace(":8000", f":{port}").split())
            assert (status, '{"predictions": [{"label": ' in output) == (0, True), output
    finally:
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output


@pytest.mark.parametrize("number", range(len(blocks("README.md", "python"))))
def test_a_python_example_runs(project: Project, number: int) -> None:
    (project.root / "example.py").write_text(blocks("README.md", "python")[number])
    status, output = project.run("python", "example.py")
    assert status == 0, output
    assert "wave" in output


def test_the_space_of_the_example_is_valid() -> None:
    text = (ROOT / "params.yaml").read_text()
    (space,) = blocks("README.md", "yaml")
    head, _, tail = text.partition("  space:")
    assert "register:" in tail
    rest = tail[tail.index("\nevaluate:") :]
    inner = space.partition("  space:")[2]
    assert parse_params(f"{head}  space:{inner}{rest}").search.space["model"]["dropout"] == {"choices": [0.3, 0.5]}


def test_the_first_commands_are_those_of_the_ci() -> None:
    assert COMMANDS[0] == "python3 -m venv .venv && . .venv/bin/activate && pip install -e . && dvc repro"
