"""What all makers of files share: raw barcode frames, FFmpeg, and plain videos to be changed."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from .barcode import barcode_frame, level_frame, read_barcode, read_level
from .record import Entry, Record, even_times

# At 24 frames a second no time that eight segments ask for lies near the middle between two frames.
NUM_FRAMES = 48
# Containers round a frame's time; where they store milliseconds, it and the video's length are off by half of one.
MILLISECONDS = 0.002
TICKS = 0.0001
_IN_MILLISECONDS = (".mkv", ".webm", ".flv", ".wmv", ".asf", ".rm", ".apng")
# Equal bytes each time: no dates, no random ids, no threads.
_EXACT = "-map_metadata -1 -fflags +bitexact -flags:v +bitexact -flags:a +bitexact -threads 1"
_SILENCE = "-f lavfi -t 2 -i sine=frequency=440:sample_rate=22050"


@dataclass(frozen=True)
class Shot:
    """Raw barcode frames: how many, from which index on, how large, how fast."""

    num_frames: int = NUM_FRAMES
    fps: str = "24"
    size: tuple[int, int] = (128, 96)
    first: int = 0
    # Too small for a barcode: the brightness tells the index.
    level: bool = False

    def times_sec(self) -> tuple[float, ...]:
        """Return the presentation times."""
        return even_times(self.num_frames, float(Fraction(self.fps)))


class Kit:
    """Makes files below ``folder``; used from several threads at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._locks: dict[object, Lock] = {}
        self._lock = Lock()

    def ffmpeg(self, *arguments: str | Path) -> None:
        """Run FFmpeg; raises RuntimeError with what it says where it fails."""
        command = ["ffmpeg", "-v", "error", "-nostdin", "-y", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{shlex.join(command)} failed:\n{done.stderr}")

    def encode(self, path: Path, options: str, *shots: Shot, sound: int = 0, before: str = "") -> None:
        """Encode shots, one video stream each, and ``sound`` streams of a tone into ``path``.

        ``options`` stand before the output, ``before`` before the first input.
        """
        inputs = [word for shot in shots for word in ("-f", "rawvideo", "-pix_fmt", "gray", *self._input(shot))]
        maps = "" if len(shots) + sound == 1 else " ".join(f"-map {number}" for number in range(len(shots) + sound))
        options = f"{_SILENCE * min(sound, 1)} {_SILENCE * max(sound - 1, 0)} {maps} {options} {_EXACT}"
        # "file:" keeps a name from being taken for an option or a pattern.
        self.ffmpeg(*shlex.split(before), *inputs, *shlex.split(options), f"file:{path}")

    def plain(self, name: str, options: str, shot: Shot | None = None, **how: Any) -> bytes:
        """Return the bytes of a video that others are made from; it is encoded once."""
        path = self._folder / name
        with self._locked(name):
            if not path.exists():
                self.encode(path, options, shot or Shot(), **how)
        return path.read_bytes()

    def scratch(self, name: str) -> Path:
        """Return the path of a file that is part of no corpus."""
        return self._folder / name

    def _input(self, shot: Shot) -> list[str]:
        width, height = shot.size
        path = self._folder / f"{shot.num_frames}_{width}x{height}_{shot.first}_{shot.level}.gray"
        draw = level_frame if shot.level else barcode_frame
        with self._locked(path):
            if not path.exists():
                indices = range(shot.first, shot.first + shot.num_frames)
                path.write_bytes(b"".join(draw(index, width, height).tobytes() for index in indices))
        return ["-video_size", f"{width}x{height}", "-framerate", shot.fps, "-i", str(path)]

    def _locked(self, key: object) -> Lock:
        with self._lock:
            return self._locks.setdefault(key, Lock())


def encoded(name: str, options: str, *, sound: int = 0, before: str = "", **how: Any) -> Entry:
    """Return the entry of a video that FFmpeg makes with ``options``.

    ``how`` goes to :class:`Shot` and :class:`Record`; the true barcodes and times are the shot's where none are named.
    """
    shot = Shot(**{key: how.pop(key) for key in list(how) if key in Shot.__dataclass_fields__})

    def make(path: Path, kit: Kit) -> None:
        kit.encode(path, options, shot, sound=sound, before=before)

    return Entry(record_of(name, shot, **how), make)


def record_of(name: str, shot: Shot, **how: Any) -> Record:
    """Return the record of a good video that shows ``shot`` as it is, changed by ``how``."""
    truth = {
        "kind": "good",
        "expectation": "accept",
        "barcodes": tuple(range(shot.first, shot.first + shot.num_frames)),
        "times_sec": shot.times_sec(),
        "slack_sec": MILLISECONDS if name.endswith(_IN_MILLISECONDS) else TICKS,
        "read": read_level if shot.level else read_barcode,
    }
    return Record(name, **{**truth, **how})


def changed(name: str, change: Any, *, first: int = 0, **how: Any) -> Entry:
    """Return the entry of a file whose bytes ``change(kit)`` gives."""
    return Entry(record_of(name, Shot(first=first), **how), partial(_write, change))


def _write(change: Any, path: Path, kit: Kit) -> None:
    path.write_bytes(change(kit))
