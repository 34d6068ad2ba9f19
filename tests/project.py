"""A varml project in a folder of its own, and commands run in it as a user runs them."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from ruamel.yaml import YAML

from varml.config.tree import set_path

ROOT = Path(__file__).resolve().parents[1]
ACTIONS = ["walk_left", "walk_right", "wave"]
# As small as the real thing can be: every stage does its work, on few and small images. Starting worker processes would
# take longer than what they do.
SMALL = {
    "engine": {"num_workers": 1},
    "frames": {"num_segments": 3, "short_side_px": 48},
    "features": {"image_size_px": 64},
    "views": {"num_crops": 1},
    "train": {"num_epochs": 6},
    "search": {"num_trials": 6, "num_folds": 2},
}


def free_port() -> int:
    """Return a port of the loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, timeout_sec: float = 90) -> bytes:
    """Return what ``url`` answers once it does; raises OSError where it does not in time."""
    deadline = time.monotonic() + timeout_sec
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return bytes(answer.read())
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def invoke(url: str, body: bytes) -> Any:
    """Return what the service at ``url`` answers to JSON that is sent to /invocations."""
    request = urllib.request.Request(f"{url}/invocations", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=300) as answer:
        return json.loads(answer.read())


@dataclass
class Project:
    """A varml project in a folder of its own, with commands run as a user runs them."""

    root: Path
    output: str = ""
    environment: dict[str, str] = field(default_factory=dict)

    def start(self, *command: str, **options: Any) -> subprocess.Popen[str]:
        """Start a command in the project, with this interpreter's programs first on the path."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "MLFLOW_"))}
        environment = {**inherited, "PATH": path, **self.environment}
        return subprocess.Popen(
            command,
            cwd=self.root,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            **options,
        )

    def run(self, *command: str) -> tuple[int, str]:
        """Run a command to its end and return its status and output."""
        process = self.start(*command)
        output, _ = process.communicate(timeout=900)
        return process.returncode, output

    def repro(self, *arguments: str) -> str:
        """Run ``dvc repro`` and return its output; fail where it fails."""
        status, output = self.run("dvc", "repro", *arguments)
        assert status == 0, output
        return output

    def answers(self, *command: str) -> list[dict[str, Any]]:
        """Run a command that writes a JSON object a line, and return them; fail where it fails."""
        status, output = self.run(*command)
        assert status == 0, output
        return [json.loads(line) for line in output.splitlines() if line.startswith("{")]

    def check_answers(self, videos: Path) -> None:
        """Check that the challenger says of the raw ``videos`` of the test split what ``evaluate`` said of them."""
        predictions = pd.read_csv(self.root / "metrics/predictions.csv")
        tested = [str(videos / path) for path in predictions["path"]]
        answers = self.answers("varml", "predict", "--json", "--model", "models:/varml@challenger", *tested)
        for (_, row), answer in zip(predictions.iterrows(), answers, strict=True):
            assert {one["label"]: one["probability"] for one in answer["top5"]} == pytest.approx(
                {name.removeprefix("p_"): row[name] for name in predictions if name.startswith("p_")}, abs=1e-5
            )

    def set(self, **sections: dict[str, Any]) -> None:
        """Change values in params.yaml, section by section."""
        yaml, file = YAML(), self.root / "params.yaml"
        tree = yaml.load(file)
        for name, values in sections.items():
            tree[name].update(values)
        yaml.dump(tree, file)

    def choose(self, path: str, value: Any) -> None:
        """Change the one value at a dotted path of params.yaml."""
        yaml, file = YAML(), self.root / "params.yaml"
        tree = yaml.load(file)
        set_path(tree, path, value)
        yaml.dump(tree, file)

    def git(self, *arguments: str) -> None:
        """Run git in the project."""
        subprocess.run(
            ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments], cwd=self.root, check=True
        )

    def copy(self, target: Path) -> Project:
        """Return a copy with everything that was computed."""
        shutil.copytree(self.root, target, symlinks=True)
        return Project(target)


def make_project(root: Path, source: str) -> Project:
    """Return a fresh project with this working tree's files, small params and ``source`` as its videos."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", ".", ":!sample"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
    project = Project(root)
    project.set(data={"source": source}, **SMALL)
    project.git("init", "--quiet")
    project.git("add", "--all")
    project.git("commit", "--quiet", "--message", "start")
    return project
