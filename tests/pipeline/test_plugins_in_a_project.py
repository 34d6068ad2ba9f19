"""Parts of the user's own: one file and one decorator beside params.yaml, through the real stages."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from project import Project, make_project
from walks import blocks, yaml_of

from varml.flow.store import read_flow

pytestmark = pytest.mark.pipeline

HEADING = "A part of your own, outside the package"
# In a process of its own, so that no other test of this one meets the plugin.
ESTIMATE = """
import numpy as np
from varml.config import load_params
from varml.flow.estimator import estimate_flow
load_params()
print(estimate_flow(np.zeros((1, 2, 40, 40, 3), np.uint8), {!r}).shape)
"""
RECOGNISE = """
import torch
from varml.config import load_params
from varml.models.recognizer import Recognizer
recognizer = Recognizer(load_params().model, dim=6, num_steps={"rgb": 2, "flow": 3}, num_cells=4, num_classes=3)
print(tuple(recognizer({"rgb": torch.rand(5, 2, 4, 6), "flow": torch.rand(5, 3, 4, 6)}).shape))
"""
CONSTANT = """
import numpy as np
from varml.flow.estimator import estimators

@estimators.register("constant")
class Constant:
    error_px = 9.0

    def estimate(self, previous, following):
        return np.full((*previous.shape, 2), {px}, np.float32)
"""


@pytest.fixture
def project(tmp_path: Path, videos: Path) -> Project:
    return make_project(tmp_path / "project", str(videos))


def use(project: Project, *plugins: str, estimator: str) -> None:
    """Name the plugins and the estimator in params.yaml."""
    project.set(flow={"estimator": estimator})
    file = project.root / "params.yaml"
    file.write_text(file.read_text().replace("plugins: []", f"plugins: [{', '.join(plugins)}]"))


def stored(project: Project) -> dict[str, set[float]]:
    """Return the values in each file of stored flow, rounded."""
    files = (project.root / "data" / "flow").glob("*.pack")
    return {file.name: {round(float(v), 1) for v in np.unique(read_flow(file))} for file in files}


def metrics(project: Project) -> dict[str, float]:
    return dict(json.loads((project.root / "metrics/flow.json").read_text()))


def test_an_own_estimator_is_checked_used_by_workers_and_followed(project: Project) -> None:
    (project.root / "own.py").write_text(CONSTANT.format(px=4))
    use(project, "own.py", estimator="constant")
    project.set(engine={"num_workers": 2})
    project.repro("extract_flow")
    first = stored(project)
    assert len(first) == 24
    # 4 px with a bound of 16 px stand half way up the curve, at level 192 of 255.
    assert set.union(*first.values()) == {4.1}
    none_clipped = metrics(project)
    num_values = sum(read_flow(file).size for file in (project.root / "data" / "flow").glob("*.pack"))
    assert none_clipped == {"clipped_fraction": 0, "num_clipped": 0, "num_values": num_values, "num_videos": 24}
    assert list(json.loads((project.root / "data/plugins.json").read_text())) == ["own.py"]
    assert "Stage 'extract_flow' didn't change" in project.repro("extract_flow")
    (project.root / "own.py").write_text(CONSTANT.format(px=-20))
    assert "Running stage 'extract_flow'" in project.repro("extract_flow")
    second = {name: values for name, values in stored(project).items() if name not in first}
    assert len(second) == 24
    assert set.union(*second.values()) == {-16.0}
    assert metrics(project) == {**none_clipped, "clipped_fraction": 1, "num_clipped": none_clipped["num_values"]}


def test_the_part_that_the_documents_show(project: Project) -> None:
    (code,) = blocks("CONTRIBUTING.md", "python", HEADING)
    name = code.splitlines()[0].removeprefix("# ")
    (project.root / name).write_text(code)
    params = yaml_of(HEADING)
    assert params["plugins"] == [name]
    use(project, name, estimator=params["flow"]["estimator"])
    status, output = project.run("python", "-m", "pipelines.check")
    assert status == 0, output
    status, output = project.run("python", "-c", ESTIMATE.format(params["flow"]["estimator"]))
    assert (status, output) == (0, "(1, 1, 40, 40, 2)\n")


def test_own_parts_of_other_kinds_lie_beside_the_params(project: Project) -> None:
    parts = {
        "product.py": "Adding a fusion",
        "per_cell.py": "Adding a kind of attention",
        "nsga3.py": "Adding a sampler",
        "percentile.py": "Adding a pruner",
    }
    for name, heading in parts.items():
        (code,) = blocks("CONTRIBUTING.md", "python", heading)
        (project.root / name).write_text(code)
    use(project, *parts, estimator="dis")
    project.choose("model.fusion", "product")
    project.choose("model.attention.kind", "per_cell")
    project.choose("search.sampler", {"name": "nsga3", "population_size": 4})
    project.choose("search.pruner", {"name": "percentile", "percentile": 0})
    status, output = project.run("python", "-m", "pipelines.check")
    assert status == 1
    assert "search.pruner.percentile = 0: Input should be greater than 0" in output
    project.choose("search.pruner", {"name": "percentile", "percentile": 40})
    status, output = project.run("python", "-m", "pipelines.check")
    assert status == 0, output
    assert project.run("python", "-c", RECOGNISE) == (0, "(5, 3)\n")


def test_what_is_wrong_with_plugins_is_said_before_any_work(project: Project) -> None:
    (project.root / "own.py").write_text("1 / 0")
    use(project, "owm.py", "own.py", estimator="constant")
    status, output = project.run("python", "-m", "pipelines.check")
    assert status == 1
    assert "plugins.0 = 'owm.py': must be a file, its path relative to params.yaml; did you mean 'own.py'?" in output
    assert "plugins.1 = 'own.py': must be imported without an error; it raises ZeroDivisionError" in output
    assert "flow.estimator = 'constant': must be one of dis, farneback, lucas_kanade, raft, raft_small" in output
    assert "Traceback" not in output
