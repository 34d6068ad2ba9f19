"""A few videos as the extracting stages store them, in the current folder: textures, each class with its own motion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from varml.config import Params, load_params
from varml.config.space import apply_values, searched_views
from varml.config.views import stored_views
from varml.data.manifest import COLUMNS, write_table
from varml.flow.store import FlowTask, extract_flow, flow_files
from varml.ground.paths import MANIFEST, PARAMS
from varml.models.feature_files import feature_files
from varml.models.features import FeatureTask, extract_features
from varml.video.frames import frames_files
from varml.video.pack import write_pack

BACKBONE = "tf_efficientnet_lite0"
Draw = Callable[[int, str], np.ndarray]
SHIFTS = {"down": (3, 0), "left": (0, -3), "right": (0, 3)}


def stored_params() -> Params:
    """Return the shipped params for small images, seen whole, and a short training of any length in time."""
    return apply_values(
        load_params(Path(__file__).parents[1] / "params.yaml"),
        {
            "features.image_size_px": 64,
            "frames.num_segments": 2,
            "views.num_crops": 1,
            "model.backbone": BACKBONE,
            "model.width": 16,
            "train.num_epochs": 4,
            "train.batch_size": 4,
        },
    )


@contextmanager
def stored_project(folder: Path, params: Params, num_training: int, num_test: int) -> Iterator[None]:
    """Make a project of so many stored videos a class in ``folder``, which is the current one meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("DVC_ROOT", raising=False)
        (folder / ".dvc").mkdir()
        manifest = store_videos(params, num_training, num_test)
        write_table(MANIFEST, manifest.reindex(columns=COLUMNS, fill_value=""))
        with PARAMS.open("w") as file:
            YAML().dump(params.model_dump(by_alias=True, mode="json"), file)
        yield


def store_videos(
    params: Params,
    num_training: int = 4,
    num_test: int = 2,
    *,
    labels: Iterable[str] = SHIFTS,
    draw: Draw | None = None,
) -> pd.DataFrame:
    """Store frames, flow and features of so many videos of each class, and return their manifest.

    ``draw`` gives the frames (S, F, H, W, 3) of the video of a number and a label, in place of textures that shift.
    """
    rows = [
        {"label": label, "split": "train" if number < num_training else "test", "group": f"group{number}"}
        for number in range(num_training + num_test)
        for label in labels
    ]
    manifest = pd.DataFrame(rows).assign(reader="pyav", start_sec="", end_sec="", fps=25.0)
    names = [f"video{number:02d}" for number in range(len(rows))]
    manifest = manifest.assign(video_id=names, digest=names, path=[f"{name}.mp4" for name in names])
    frames, flow = frames_files(manifest, params.frames), flow_files(manifest, params.frames, params.flow)
    for number, (label, *paths) in enumerate(zip(manifest["label"], frames, flow, strict=True)):
        write_pack(paths[0], (draw or _moving)(number, label), 95)
        extract_flow(FlowTask(*paths, params.flow))
    for view in stored_views(searched_views(params)):
        features = feature_files(manifest, params, params.model.backbone, view=view)
        for files in zip(frames, flow, features, strict=True):
            extract_features(FeatureTask(*files, params.model.backbone, params.features, view))
    return manifest


def _moving(number: int, label: str) -> np.ndarray:
    coarse = np.random.default_rng(number).integers(0, 256, (8, 10, 3), dtype=np.uint8)
    still = coarse.repeat(8, axis=0).repeat(8, axis=1)
    shifts = np.arange(4)[:, None] * SHIFTS[label]
    moving = np.stack([np.roll(still, shift, axis=(0, 1)) for shift in shifts.tolist()])
    return moving.reshape(2, 2, *still.shape)  # two segments of two frames
