"""Hundreds of strange files in one project: none ends the run, each is read rightly or left out for a true reason."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass

import pytest
from corpus.barcode import read_barcode
from corpus.check import (
    Finding,
    Outcome,
    accepted_of_decodable,
    read_outcomes,
    untrue_reasons,
    wrong_decisions,
    wrong_frames,
)
from corpus.irregular import IRREGULAR
from corpus.kit import Kit
from corpus.make import SETTINGS, make_corpus
from corpus.plain import Plain, decode_all_plainly
from corpus.record import Entry, Record
from project import Project, make_project

from varml.config import load_params

pytestmark = [
    pytest.mark.pipeline,
    pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the corpus is made by the program ffmpeg"),
]

LEAST_SHARE = 0.85
# Plain decoding takes the first stream, and turns no frame by more than its angle.
SHOWN_OTHERWISE = {
    "right/second_stream_default.mkv", "right/second_stream_default.mp4", "right/cover_first.mp4",
    "left/mirrored.mp4", "left/upside_down.mp4", "left/transposed.mp4",
}  # fmt: skip


@dataclass
class Run:
    """A project after ``dvc repro extract_frames`` over the corpus."""

    project: Project
    records: dict[str, Record]
    status: int
    outcomes: dict[str, Outcome]
    plain: dict[str, Plain]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("corpus")
    source = folder / "videos"
    records = make_corpus(source, folder / "work")
    project = make_project(folder / "project", str(source))
    project.set(**SETTINGS)
    status, project.output = project.run("dvc", "repro", "extract_frames")
    outcomes = read_outcomes(project.root) if status == 0 else {}
    return Run(project, records, status, outcomes, decode_all_plainly(source, records))


def none_of(findings: Iterable[Finding]) -> None:
    """Fail with all findings in one list."""
    found = list(map(str, findings))
    if found:
        pytest.fail(f"{len(found)} files:\n" + "\n".join(found), pytrace=False)


def test_the_run_ends_well(run: Run) -> None:
    assert run.status == 0, run.project.output
    assert "Traceback" not in run.project.output


def test_each_file_is_accepted_or_refused_as_it_deserves(run: Run) -> None:
    none_of(wrong_decisions(run.records, run.outcomes))


def test_each_reason_is_true(run: Run) -> None:
    none_of(untrue_reasons(run.records, run.outcomes))


def test_each_stored_frame_is_the_one_that_its_time_asks_for(run: Run) -> None:
    params = load_params(run.project.root / "params.yaml")
    none_of(wrong_frames(run.records, run.outcomes, run.plain, params))


def test_most_of_what_decodes_is_accepted(run: Run) -> None:
    good, accepted = accepted_of_decodable(run.records, run.outcomes, run.plain)
    assert len(good) > 200
    assert len(accepted) >= LEAST_SHARE * len(good), sorted(set(good) - set(accepted))


def test_the_records_say_what_plain_decoding_shows(run: Run) -> None:
    told = {path: record for path, record in run.records.items() if record.expectation == "accept"}
    read = {
        path: record for path, record in told.items() if record.read is read_barcode and path not in SHOWN_OTHERWISE
    }
    assert len(read) > 150
    wrong = {p: plain.barcodes for p in read if (plain := run.plain[p]).barcodes != read[p].barcodes}
    assert not {path: codes for path, codes in wrong.items() if any(code is not None for code in codes)}


@pytest.fixture(scope="module")
def regular(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project of two classes of three files; scan does not care whether they are videos."""
    folder = tmp_path_factory.mktemp("irregular")
    for number in range(6):
        file = folder / "videos" / ("left", "right")[number % 2] / f"{number}.mp4"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(str(number))
    project = make_project(folder / "project", str(folder / "videos"))
    project.set(data={"min_videos_per_class": 3})
    return project


@pytest.mark.parametrize("entry", IRREGULAR, ids=lambda entry: entry.record.name)
def test_what_is_no_regular_file_ends_the_scan_by_name(regular: Project, entry: Entry) -> None:
    folder = regular.root.parent / "videos" / "left"
    try:
        entry.make(folder / entry.record.name, Kit(regular.root.parent / "work"))
    except PermissionError:
        pytest.skip("only root makes device nodes")
    try:
        status, output = regular.run("python", "-m", "pipelines.scan")
    finally:
        for path in folder.glob(f"{entry.record.name}*"):
            path.unlink()
    assert status == 1, output
    assert f"'left/{entry.record.name}' " in output
    assert entry.record.reason in output
    assert "Traceback" not in output
