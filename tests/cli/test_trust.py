"""Poisoned artifacts: whatever lies beside a model or in its place, no code of it runs."""

from __future__ import annotations

import base64
import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from project import invoke
from ruamel.yaml import YAML
from tiny_model import build, timeless_params, tiny_backbone

from varml.data.sample import make_sample
from varml.models.model_files import CHECKSUMS, WEIGHTS, save_model
from varml.tracking.flavor import DATA
from varml.tracking.registry.versions import register_model
from varml.tracking.runs import create_run
from varml.tracking.store import open_client

Varml = Callable[..., tuple[int, str]]
# Whatever of it runs makes a file beside the project.
CODE = "from pathlib import Path\nPath({marker!r}).write_text('it ran')\ndef _load_pyfunc(path): return None\n"


class _Bomb:
    """Runs code when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return exec, (CODE.format(marker=str(self.marker)),)


def _flavors(artifact: Path, **values: Any) -> None:
    yaml = YAML(typ="safe")
    tree = yaml.load(artifact / "MLmodel")
    tree["flavors"]["python_function"].update(values)
    with (artifact / "MLmodel").open("w") as file:
        yaml.dump(tree, file)


def pickled(artifact: Path, marker: Path) -> None:
    content = pickle.dumps(_Bomb(marker))
    for place in ("python_model.pkl", "model.pkl"):
        (artifact / place).write_bytes(content)
    _flavors(artifact, loader_module="mlflow.pyfunc.model", python_model="python_model.pkl", cloudpickle_version="3.1")


def loader_module(artifact: Path, marker: Path) -> None:
    (artifact / "code").mkdir()
    (artifact / "code/loading.py").write_text(CODE.format(marker=str(marker)))
    _flavors(artifact, loader_module="loading", code="code")


def code_folder(artifact: Path, marker: Path) -> None:
    (artifact / "code/varml/tracking").mkdir(parents=True)
    for place in ("varml/__init__.py", "varml/tracking/__init__.py", "varml/tracking/flavor.py", "sitecustomize.py"):
        (artifact / "code" / place).write_text(CODE.format(marker=str(marker)))
    _flavors(artifact, code="code")


def model_from_code(artifact: Path, marker: Path) -> None:
    (artifact / "model.py").write_text(CODE.format(marker=str(marker)))
    _flavors(artifact, loader_module="mlflow.pyfunc.model", model_code_path="model.py")


def other_model(artifact: Path, marker: Path) -> None:
    """A whole model, with a list of checksums that fits it."""
    shutil.rmtree(artifact / DATA)
    save_model(artifact / DATA, build(tiny_backbone(), timeless_params(), seed=1))


def altered_weights(artifact: Path, marker: Path) -> None:
    content = bytearray((artifact / DATA / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (artifact / DATA / WEIGHTS).write_bytes(content)


def pickled_weights(artifact: Path, marker: Path) -> None:
    (artifact / DATA / WEIGHTS).write_bytes(pickle.dumps(_Bomb(marker)))


def added_pickle(artifact: Path, marker: Path) -> None:
    (artifact / DATA / "weights.pt").write_bytes(pickle.dumps(_Bomb(marker)))


# What of them is refused, and why; the others do not touch the model, which answers.
REFUSED = {
    altered_weights: "was altered after it was saved",
    pickled_weights: "was altered after it was saved",
    added_pickle: "is no file of the model",
    other_model: "holds another model than the one that was registered",
}
POISONS = [pickled, loader_module, code_folder, model_from_code, *REFUSED]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (made, *_) = make_sample(tmp_path_factory.mktemp("videos"), actions=["wave"], num_persons=1, clips_per_person=1)
    return Path(made)


@pytest.fixture
def artifact(project: Path, empty_store: Path, tmp_path: Path) -> Path:
    """The folder of the artifacts of the champion, where somebody else can write."""
    shutil.copy(empty_store, project)
    save_model(tmp_path / "model", build(tiny_backbone(), timeless_params()))
    register_model(tmp_path / "model", "varml", create_run("varml", "train", {}), {})
    (made,) = project.glob("mlartifacts/**/MLmodel")
    return made.parent


@pytest.mark.parametrize("poison", POISONS)
def test_no_code_of_an_artifact_runs(
    varml: Varml, artifact: Path, video: Path, tmp_path: Path, poison: Callable[[Path, Path], None]
) -> None:
    before = varml("predict", str(video))
    marker = tmp_path / "marker"
    poison(artifact, marker)
    for command in (["predict", str(video)], ["predict", "--model", "models:/varml/1", str(video)]):
        status, output = varml(*command)
        if poison in REFUSED:
            assert (status, REFUSED[poison] in output) == (1, True), output
        else:
            assert (status, output) == before
    open_client().delete_registered_model_alias("varml", "champion")
    varml("promote", "1")
    varml("promote", "1", "--force", "--reason", "a test")
    assert not marker.exists()


@pytest.mark.parametrize("poison", [pickled, loader_module, code_folder, model_from_code, altered_weights])
def test_the_service_runs_none_either(
    project: Path, artifact: Path, video: Path, tmp_path: Path, poison: Callable[[Path, Path], None]
) -> None:
    marker = tmp_path / "marker"
    poison(artifact, marker)
    command = [str(Path(sys.executable).parent / "varml"), "serve", "--port", "0", "--lanes", "1"]
    with subprocess.Popen(command, cwd=project, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if poison in REFUSED:
            assert REFUSED[poison] in line
        else:
            body = json.dumps({"inputs": {"video": base64.b64encode(video.read_bytes()).decode()}})
            assert len(invoke(json.loads(line)["url"], body.encode())["predictions"]) == 1
            process.terminate()
    assert process.returncode == (1 if poison in REFUSED else 0)
    assert not marker.exists()


def test_the_poisons_would_run_where_mlflow_loads_them(artifact: Path, tmp_path: Path) -> None:
    import mlflow

    marker = tmp_path / "marker"
    loader_module(artifact, marker)
    with pytest.raises(Exception, match=r"."):
        mlflow.pyfunc.load_model(str(artifact)).predict([])
    assert marker.exists()


def test_the_list_of_checksums_alone_does_not_vouch_for_a_model(varml: Varml, artifact: Path, video: Path) -> None:
    other_model(artifact, artifact)
    assert (artifact / DATA / CHECKSUMS).is_file()
    # As a folder it is whole; as the version it is not what was registered.
    assert varml("predict", "--model", str(artifact / DATA), str(video))[0] == 0
    assert varml("predict", "--model", "models:/varml@champion", str(video))[0] == 1
