"""Write the sample dataset: one folder an action, one video a performance."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from varml.data.sample.actions import ACTIONS
from varml.data.sample.clip import plan_clip, render_clip
from varml.data.sample.encode import write_video
from varml.data.sample.person import draw_person
from varml.errors import DataError
from varml.ground.atomic import TEMPORARY_SUFFIX


def make_sample(
    directory: Path,
    *,
    seed: int = 0,
    actions: Sequence[str] | None = None,
    num_persons: int = 10,
    clips_per_person: int = 2,
) -> list[Path]:
    """Write ``directory/ACTION/personPP_C.mp4`` and return the paths, sorted.

    Each video is H.264, yuv420p, 160 x 120 or 176 x 144 pixels, 15 or 25 frames a second, 1.4 to 2.6 s long.
    Persons are the groups. ``walk_left`` and ``walk_right`` differ by time order only, and so do ``sit_down``
    and ``stand_up``; a mirrored ``walk_left`` is a ``walk_right``. A video's bytes follow from the seed, its
    action, its person and its number, whatever else is made; another processor or other libraries may round
    a few pixels differently.

    Args:
        directory: a new or empty folder; it appears as a whole or not at all.
        seed: 0 or more.
        actions: a choice of ``walk_left, walk_right, sit_down, stand_up, wave, kick``; all by default.
        num_persons: how many persons perform each action.
        clips_per_person: how often each person performs each action.

    Raises:
        DataError: if the folder holds something, an action is unknown, or a number is out of its range.
    """
    chosen = list(ACTIONS) if actions is None else list(dict.fromkeys(actions))
    _check_request(directory, seed, chosen, num_persons, clips_per_person)
    target = directory.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        dir=target.parent, prefix=f".{target.name}.", suffix=TEMPORARY_SUFFIX
    ) as workspace:
        unfinished = Path(workspace) / target.name
        for person in range(1, num_persons + 1):
            _write_person(unfinished, seed, person, chosen, clips_per_person)
        if target.exists():
            target.rmdir()
        unfinished.rename(target)
    return sorted(directory.glob("*/*.mp4"))


def _write_person(root: Path, seed: int, person: int, actions: Sequence[str], num_clips: int) -> None:
    # Numpy pads short seeds with zeros: as all numbers after the seed start at 1, [seed, person] and a
    # video's [seed, person, action, number] stay apart.
    traits = draw_person(np.random.default_rng([seed, person]))
    for action in actions:
        (root / action).mkdir(parents=True, exist_ok=True)
        for number in range(1, num_clips + 1):
            rng = np.random.default_rng([seed, person, list(ACTIONS).index(action) + 1, number])
            plan = plan_clip(rng, traits)
            path = root / action / f"person{person:02d}_{number}.mp4"
            write_video(path, render_clip(plan, action), plan.width, plan.height, plan.frame_rate)


def _check_request(directory: Path, seed: int, actions: Sequence[str], num_persons: int, clips_per_person: int) -> None:
    """Report all faults of a request together."""
    faults = []
    if directory.exists() and not (directory.is_dir() and not any(directory.iterdir())):
        faults.append(
            f"{directory} is not empty; the sample is written only into a new or empty folder, so that it "
            "overwrites no file of yours. Name another folder, or remove this one."
        )
    unknown = [action for action in actions if action not in ACTIONS]
    if unknown or not actions:
        faults.append(f"actions are {actions}; choose one or more of {', '.join(ACTIONS)}.")
    for name, value, least in (
        ("seed", seed, 0),
        ("num_persons", num_persons, 1),
        ("clips_per_person", clips_per_person, 1),
    ):
        if value < least:
            faults.append(f"{name} is {value}; it must be {least} or more.")
    if faults:
        raise DataError("\n".join(faults))
