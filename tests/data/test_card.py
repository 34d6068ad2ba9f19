"""The data card counts what the manifest holds, and its page shows a training video of each class."""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd
import pytest
from videos import LIMITS, write_video

from varml.data import card as cards
from varml.data.card import data_card, data_page
from varml.data.contact_sheet import class_frames, contact_sheet
from varml.data.duplicates import Pair
from varml.data.splits import Splits
from varml.video.clip import Clip
from varml.video.reader import Source

NO_QUARANTINE = pd.DataFrame(columns=["path", "reason"])

COPY = Pair("run/train.mp4", "wave/\udcff.mp4", "near")


def row(label: str, split: str, **values: object) -> dict[str, object]:
    return {
        "path": f"{label}/{split}.mp4", "label": label, "group": split, "split": split, "start_sec": "", "end_sec": "",
        "num_frames": 20, "fps": 10.0, "duration_sec": 2.0, "width": 80, "height": 64, "rotation_deg": 0,
        "flipped": False, "codec": "h264", "pixel_format": "yuv420p", "num_video_streams": 1, "num_audio_streams": 0,
        "reader": "pyav", **values,
    }  # fmt: skip


@pytest.fixture
def manifest() -> pd.DataFrame:
    return pd.DataFrame(
        [
            row("run", "train", num_audio_streams=1, duration_sec=4.0),
            row("run", "test", codec="vp9", fps=25.0, num_video_streams=2),
            row("wave", "train", rotation_deg=90, width=64, height=80),
            row("wave", "test", flipped=True, start_sec="0.5", end_sec="1.0"),
        ]
    )


def test_every_fact_is_counted(manifest: pd.DataFrame):
    quarantine = pd.DataFrame({"path": ["a", "b"], "reason": ["is empty (0 bytes)"] * 2})
    card = data_card(manifest, quarantine, Splits(manifest["split"].to_numpy(), ["look out"]), [COPY])
    assert (card["num_videos"], card["num_groups"], card["num_quarantined"]) == (4, 2, 2)
    assert card["videos_by_class_and_split"] == {"run": {"test": 1, "train": 1}, "wave": {"test": 1, "train": 1}}
    assert card["duration_sec"] == {"min": 0.5, "median": 2.0, "max": 4.0}
    assert card["fps"] == {"min": 10.0, "median": 10.0, "max": 25.0}
    assert card["videos_by_size"] == {"80 x 64": 3, "64 x 80": 1}
    assert card["videos_by_codec"] == {"h264": 3, "vp9": 1}
    assert (card["videos_turned_or_mirrored"], card["videos_with_sound"]) == (2, 1)
    assert card["videos_with_several_video_streams"] == ["run/test.mp4"]
    assert card["quarantined_by_reason"] == {"is empty (0 bytes)": 2}
    assert card["num_duplicates"] == 1
    assert card["duplicates"] == [{"first": "run/train.mp4", "second": "wave/\\xff.mp4", "kind": "near"}]
    assert card["warnings"] == ["look out"]


def test_more_copies_than_the_bound_are_counted_and_not_listed(manifest: pd.DataFrame, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cards, "MAX_PAIRS", 10)
    card = data_card(manifest, NO_QUARANTINE, Splits(manifest["split"].to_numpy(), []), [COPY] * 25)
    assert (card["num_duplicates"], len(card["duplicates"])) == (25, 10)


def test_the_page_shows_names_as_text(manifest: pd.DataFrame):
    manifest["label"] = manifest["label"].replace("run", "<script>alert(1)</script>")
    card = data_card(manifest, NO_QUARANTINE, Splits(manifest["split"].to_numpy(), ["a < b"]), [COPY])
    page = data_page(card, b"png")
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "a &lt; b" in page
    assert "copies: 1 pairs" in page
    assert "<td>wave/\\xff.mp4</td>" in page
    assert "data:image/png;base64,cG5n" in page


def test_the_picture_is_of_training_videos_alone(manifest: pd.DataFrame, tmp_path):
    shades = {"train": 200, "test": 40}
    clips = []
    for number, shade in enumerate(manifest["split"].map(shades)):
        path = write_video(tmp_path / f"{number}.mp4", [np.full((64, 80, 3), shade, np.uint8)] * 4)
        clips.append(Clip(Source(path, "pyav", 4), 80, 64))
    frames = class_frames(manifest, clips, LIMITS, num_workers=1)
    assert list(frames) == ["run", "wave"]
    assert all(abs(float(frame.mean()) - 200) < 4 and frame.shape == (160, 200, 3) for frame in frames.values())


def test_the_contact_sheet_is_a_png_of_equal_bytes():
    frames = {f"class $x_{number}": np.full((40, 50, 3), 60 * number, np.uint8) for number in range(4)}
    first = contact_sheet(frames)
    assert first == contact_sheet(frames)
    image = cv2.imdecode(np.frombuffer(first, np.uint8), cv2.IMREAD_COLOR)
    assert all((image == shade).all(axis=2).sum() > 1000 for shade in (0, 60, 120, 180))


def test_without_a_class_there_is_still_a_picture():
    assert contact_sheet({}).startswith(b"\x89PNG")
