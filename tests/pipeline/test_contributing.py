"""The walks of CONTRIBUTING.md: what they add passes the contract suites and the check."""

from __future__ import annotations

from pathlib import Path

import pytest
from project import make_project
from walks import blocks

pytestmark = pytest.mark.pipeline


@pytest.mark.parametrize(
    ("heading", "suite", "at", "name"),
    [
        ("Adding a fusion", "tests/models/test_fusion.py", "model.fusion", "product"),
        ("Adding a kind of attention", "tests/models/test_attention.py", "model.attention.kind", "per_cell"),
        ("Adding a flow estimator", "tests/flow/test_estimators.py", "flow.estimator", "dis_medium"),
        ("Adding a sampler", "tests/search/test_samplers.py", "search.sampler", "nsga3"),
        ("Adding a pruner", "tests/search/test_pruners.py", "search.pruner", "percentile"),
    ],
)
def test_a_new_part_is_one_file(heading: str, suite: str, at: str, name: str, tmp_path: Path, videos: Path) -> None:
    project = make_project(tmp_path / "walk", str(videos))
    (code,) = blocks("CONTRIBUTING.md", "python", heading)
    path = code.splitlines()[0].removeprefix("# ")
    (project.root / path).write_text(code)
    project.choose(at, name)
    status, output = project.run("python", "-m", "pipelines.check")
    assert status == 0, output
    status, output = project.run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", suite, "-k", name)
    assert status == 0, output
    assert " passed" in output
