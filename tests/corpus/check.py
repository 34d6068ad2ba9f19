"""What a project made of the corpus, against what is known of each file."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from varml.config import Params, load_params
from varml.data.manifest import read_manifest
from varml.data.names import to_text
from varml.ground.paths import MANIFEST, QUARANTINE
from varml.video.frames import frames_files, read_frames
from varml.video.reader import Frames

from .plain import Plain
from .record import Record
from .truth import allowed_frames, wanted_times

# A reason in the words of a program: what the file has is not told.
_NO_REASON = re.compile(r"\w*(Error|Exception|Expired)\b|its process ended|.*(Resource temporarily|Device or resource)")


@dataclass(frozen=True)
class Outcome:
    """What became of one file: its number of frames and its stored ones, or the reason why it was left out."""

    num_frames: int = 0
    stored: Path | None = None
    reason: str | None = None

    def frames(self) -> Frames:
        """Return the stored frames as (S * F, H, W, 3)."""
        assert self.stored is not None
        frames = read_frames(self.stored)
        return frames.reshape(-1, *frames.shape[2:])


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: about which file, what was found, what is right."""

    path: str
    says: str
    right: str

    def __str__(self) -> str:
        return f"{self.path!r}: {self.says}; right: {self.right}"


def read_outcomes(project: Path) -> dict[str, Outcome]:
    """Return the outcome of each file that the manifest or the quarantine of ``project`` names."""
    manifest = read_manifest(project / MANIFEST)
    files = frames_files(manifest, load_params(project / "params.yaml").frames, project)
    rows = zip(manifest.itertuples(), files, strict=True)
    accepted = {row.path: Outcome(int(row.num_frames), stored) for row, stored in rows}
    with (project / QUARANTINE).open(newline="") as file:
        refused = {row["path"]: Outcome(reason=row["reason"]) for row in csv.DictReader(file)}
    return {**refused, **accepted}


def outcome_of(path: str, outcomes: Mapping[str, Outcome]) -> Outcome | None:
    """Return what became of the file at ``path``, or None where nothing is said of it."""
    return outcomes.get(to_text(path))


def wrong_decisions(records: Mapping[str, Record], outcomes: Mapping[str, Outcome]) -> Iterator[Finding]:
    """Yield each file that is refused, accepted or passed over against its record."""
    for path, record in records.items():
        outcome = outcome_of(path, outcomes)
        if outcome is None:
            yield Finding(path, "is neither in the manifest nor in quarantine", record.expectation)
        elif outcome.reason is not None and record.expectation == "accept":
            yield Finding(path, f"is refused: {outcome.reason}", f"it has {len(record.barcodes)} good frames")
        elif outcome.reason is None and record.expectation == "refuse":
            yield Finding(path, f"is accepted with {outcome.num_frames} frames", f"refused as {record.reason!r}")


def untrue_reasons(records: Mapping[str, Record], outcomes: Mapping[str, Outcome]) -> Iterator[Finding]:
    """Yield each file that is refused for a reason which is none, or which another file would have."""
    for path, record in records.items():
        outcome = outcome_of(path, outcomes)
        if outcome is None or outcome.reason is None or record.expectation == "accept":
            continue
        if _NO_REASON.match(outcome.reason) or not re.search(record.reason, outcome.reason):
            yield Finding(path, f"is refused: {outcome.reason}", f"a reason in plain words with {record.reason!r}")


def accepted_of_decodable(
    records: Mapping[str, Record], outcomes: Mapping[str, Outcome], plain: Mapping[str, Plain]
) -> tuple[list[str], list[str]]:
    """Return the files that plain PyAV decodes to their end and that need not be refused, and the accepted of them."""
    good = [path for path, record in records.items() if plain[path].decodes and record.expectation != "refuse"]
    return good, [path for path in good if (one := outcome_of(path, outcomes)) and one.reason is None]


def wrong_frames(
    records: Mapping[str, Record], outcomes: Mapping[str, Outcome], plain: Mapping[str, Plain], params: Params
) -> Iterator[Finding]:
    """Yield each accepted file with a stored frame that its record, or else plain decoding, does not call for."""
    for path, record in records.items():
        outcome = outcome_of(path, outcomes)
        if outcome is not None and outcome.stored is not None and record.barcodes:
            yield from _wrong_frames(path, record, outcome, plain.get(path), params)


def _wrong_frames(
    path: str, record: Record, outcome: Outcome, plain: Plain | None, params: Params
) -> Iterator[Finding]:
    shown = [record.read(frame) for frame in outcome.frames()]
    if record.times_sec:
        if outcome.num_frames != len(record.barcodes):
            yield Finding(path, f"has {outcome.num_frames} frames", f"{len(record.barcodes)}")
        allowed = _expected(record.barcodes, record.times_sec, record.slack_sec, params)
    elif plain is not None and len(plain.barcodes) == outcome.num_frames and None not in plain.times_sec:
        times = sorted(time for time in plain.times_sec if time is not None)
        # What damage does to a picture may differ: a frame without a barcode may be any.
        allowed = [known | {None} for known in _expected(plain.barcodes, times, record.slack_sec, params)]
        allowed = [known if known != {None} else {None, *record.barcodes} for known in allowed]
    else:
        allowed = [{None, *record.barcodes}] * len(shown)
    if any(barcode not in known for barcode, known in zip(shown, allowed, strict=True)):
        yield Finding(path, f"stores frames {_listed([{one} for one in shown])}", _listed(allowed))


def _expected(
    barcodes: tuple[int | None, ...], times_sec: Iterable[float], slack_sec: float, params: Params
) -> list[set[int | None]]:
    times, frames = list(times_sec), params.frames
    wanted = wanted_times(times, frames.num_segments, frames.frames_per_segment, frames.frame_interval_sec)
    return [{barcodes[index] for index in near} for near in allowed_frames(times, wanted, slack_sec)]


def _listed(allowed: Iterable[set[int | None]]) -> str:
    texts = map(partial(map, str), (sorted(known, key=lambda one: -1 if one is None else one) for known in allowed))
    return " ".join("|".join(text) if len(text) < 4 else "any" for text in map(list, texts))
