"""Writes what `varml inspect` shows, and nowhere where it would do harm."""

from __future__ import annotations

import os
from pathlib import Path

from varml.config import load_params
from varml.config.check import name_faults, source_folder
from varml.config.load import read_tree
from varml.config.params import Params
from varml.data.names import to_text
from varml.errors import ConfigError, Fault, StoreError, first_line
from varml.flow.estimator import estimators
from varml.ground.atomic import write_bytes
from varml.ground.paths import PARAMS
from varml.inspection.film import write_film
from varml.inspection.inspection import Inspection, inspect_video
from varml.inspection.sheet import draw_sheet


def inspect_to(folder: Path, video: Path) -> list[Path]:
    """Write ``NAME.png`` and ``NAME.mp4`` of a video into ``folder``, by the params of the project here; return both.

    Raises ConfigError where there are no right params, VideoError where the video cannot be read, and StoreError
    where the folder cannot or must not be written.
    """
    params = _params()
    png, mp4 = (folder / f"{_stem(video)}{suffix}" for suffix in (".png", ".mp4"))
    _refuse_harm(video, folder, [png, mp4], params)
    inspection = inspect_video(video, to_text(video.name), params)
    _write(inspection, png, mp4)
    return [png, mp4]


def _params() -> Params:
    if not PARAMS.is_file():
        raise ConfigError([Fault(str(PARAMS), None, "there is none here; run `varml inspect` in a project's folder")])
    params = load_params()
    if faults := name_faults(read_tree(PARAMS), {"flow.estimator": estimators.names()}):
        raise ConfigError(faults)
    return params


def _stem(video: Path) -> str:
    # `..` and `/` have no name of their own.
    return (video if video.name not in ("", "..") else video.resolve()).stem or "video"


def _refuse_harm(video: Path, folder: Path, targets: list[Path], params: Params) -> None:
    # Not the methods of Path, which raise where a name is too long.
    if os.path.exists(video) and any(os.path.exists(path) and os.path.samefile(path, video) for path in targets):  # noqa: PTH110, PTH121
        raise StoreError(f"{targets[-1]} is the video itself and must not be replaced; name another folder with --out")
    source = source_folder(str(params.data.source))
    if params.data.source is not None and folder.resolve().is_relative_to(source):
        raise StoreError(
            f"{folder} lies in data.source, {source}, where every file is taken for a labelled video; name another "
            "folder with --out"
        )


def _write(inspection: Inspection, png: Path, mp4: Path) -> None:
    try:
        write_bytes(png, draw_sheet(inspection))
        write_film(mp4, inspection)
    except OSError as error:
        raise StoreError(
            f"{png.parent} must be a folder that can be written ({error.strerror or first_line(error)}); name another "
            "with --out"
        ) from error
