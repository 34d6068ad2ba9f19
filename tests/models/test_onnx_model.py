"""An export gives the answers of the model that it came from, and is read only as it was written."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_model
import torch
from tiny_model import SHIPPED, TINY

from varml.errors import ModelError
from varml.ground.atomic import write_json
from varml.ground.content_key import file_digest
from varml.inference.predictor import Predictor
from varml.models import onnx_export
from varml.models.checked_files import CHECKSUMS
from varml.models.model_files import LoadedModel, model_digest, save_model
from varml.models.onnx_export import export_model
from varml.models.onnx_model import EXPORT, NETWORK, load_export

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: exports are not tested")
FRAMES = SHIPPED.frames


def random_frames(seed: int = 0) -> np.ndarray:
    """Return frames of a video as they are stored."""
    shape = (FRAMES.num_segments, FRAMES.frames_per_segment, 48, 64, 3)
    coarse = np.random.default_rng(seed).integers(0, 256, (*shape[:2], 6, 8, 3), dtype=np.uint8)
    return coarse.repeat(8, axis=2).repeat(8, axis=3)


def ensemble(mirror: bool = True) -> LoadedModel:
    """Return a model of two members, which share a backbone, with views in the mirror."""
    params = tiny_model.timeless_params()
    members = [(params, 0.6, {}, 0), (params.model_copy(update={"fusion": "rgb"}), 0.4, {}, 1)]
    made = tiny_model.build_ensemble({TINY: tiny_model.tiny_backbone()}, members, temperature=0.7)
    said = made.description
    turned = [member.model_copy(update={"mirror": mirror}) for member in said.members]
    return LoadedModel(said.model_copy(update={"members": turned}), made.backbones, made.recognizers)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "model"
    save_model(folder, ensemble())
    return folder


@pytest.fixture(scope="module")
def export(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "deep" / "export"
    loaded = Predictor.load(model)
    assert isinstance(loaded.model, LoadedModel)
    assert export_model(loaded.model, model_digest(model), folder) <= 1e-5
    return folder


def test_its_answers_are_those_of_the_model(model: Path, export: Path) -> None:
    own, other = Predictor.load(model), Predictor.load(export)
    assert other.classes == own.classes
    assert other.digest == own.digest == model_digest(model)
    for seed in range(5):
        frames = random_frames(seed)
        assert other.score(frames) == pytest.approx(own.score(frames), abs=1e-5)
    assert not np.allclose(own.score(random_frames(0)), own.score(random_frames(1)), atol=1e-4)


def test_it_answers_without_the_networks_of_torch(export: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from varml.inference.predictor import Predictor\n"
        f"predictor = Predictor.load(Path({str(export)!r}))\n"
        "print('timm' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "False"


def test_the_folder_appears_whole_or_not_at_all(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = Predictor.load(model).model
    assert isinstance(loaded, LoadedModel)
    monkeypatch.setattr(onnx_export, "MAX_DIFFERENCE", -1.0)
    with pytest.raises(ModelError, match=r"probabilities are off by .* and may be by -1; serve the model as it is"):
        export_model(loaded, "digest", tmp_path / "export")
    monkeypatch.undo()
    monkeypatch.setattr(onnx_export, "open_session", lambda _: Silent())
    with pytest.raises(ModelError, match="probabilities are off by nan"):
        export_model(loaded, "digest", tmp_path / "export")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "export").mkdir()
    with pytest.raises(ModelError, match="export exists; name a folder that does not"):
        export_model(loaded, "digest", tmp_path / "export")


class Silent:
    """A session whose answers are no numbers."""

    def run(self, *_: Any) -> list[np.ndarray]:
        return [np.full(len(tiny_model.CLASSES), np.nan, np.float32)]


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", [NETWORK, "model.json", EXPORT])
def test_a_flipped_bit_is_refused(export: Path, tmp_path: Path, name: str) -> None:
    copy = shutil.copytree(export, tmp_path / "copy")
    _flip(copy / name)
    with pytest.raises(ModelError, match=f"{name} is missing or was altered"):
        Predictor.load(copy)
    shutil.copy(export / name, copy / name)
    (copy / "more.py").write_text("")
    with pytest.raises(ModelError, match=r"more\.py is no file of the model"):
        Predictor.load(copy)


def test_what_onnxruntime_does_not_read_is_an_error(export: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(export, tmp_path / "copy")
    (copy / NETWORK).write_bytes(b"no network")
    listed = json.loads((copy / CHECKSUMS).read_text()) | {NETWORK: file_digest(copy / NETWORK)}
    write_json(copy / CHECKSUMS, listed)
    with pytest.raises(ModelError, match=r"onnxruntime does not read .*model\.onnx .*; export it again"):
        load_export(copy)


def test_a_network_that_cannot_be_exported_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = ensemble()

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("this operator has no counterpart\nand more")

    monkeypatch.setattr(torch.onnx, "export", broken)
    with pytest.raises(ModelError, match=r"cannot be exported to ONNX \(this operator has no counterpart\)"):
        export_model(made, "digest", tmp_path / "export")
    assert list(tmp_path.iterdir()) == []
