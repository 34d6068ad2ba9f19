"""What lies in the data source, and what a decoder must never see."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from project import Project

from varml.data.digests import REMEMBERED_AT_ONCE
from varml.data.scan import ScannedFile, read_files, scan, write_files
from varml.errors import DataError
from varml.ground.memory import Memory

Annotate = Callable[[Iterable[str]], str]


def all_of(path: Path) -> dict[str, str]:
    """Return everything that the memory at ``path`` holds."""
    with closing(sqlite3.connect(path)) as connection:
        return {key: json.loads(value) for key, value in connection.execute("SELECT key, value FROM memory")}


def test_each_file_has_its_size_and_digest(source: Path, memory: Memory):
    files = scan(source, None, 3, memory)
    assert [file.path for file in files] == [f"{label}/{n}.mp4" for label in ("run", "wave") for n in range(3)]
    assert files[0] == ScannedFile("run/0.mp4", "run", "", "", 5, hashlib.sha256(b"run 0").hexdigest())


def test_groups_and_splits_of_the_annotations_are_kept(source: Path, memory: Memory, annotate: Annotate):
    name = annotate(["path,label,group,split", "run/0.mp4,run,p1,train", "wave/0.mp4,wave,p2,test"])
    files = scan(source, name, 1, memory)
    assert [(file.label, file.group, file.split) for file in files] == [("run", "p1", "train"), ("wave", "p2", "test")]


def test_a_row_without_a_file_has_no_digest(source: Path, memory: Memory, annotate: Annotate):
    files = scan(source, annotate(["path,label", "run/0.mp4,run", "gone.mp4,wave"]), 1, memory)
    assert files[0] == ScannedFile("gone.mp4", "wave", "", "", 0, "")
    assert files[1].digest


def test_a_class_that_is_too_small(source: Path, memory: Memory):
    with pytest.raises(DataError, match=r"at least 4 files .*: 'run' has 3, 'wave' has 3"):
        scan(source, None, 4, memory)


def test_a_changed_file_has_a_new_digest(source: Path, memory: Memory):
    before = scan(source, None, 3, memory)
    assert scan(source, None, 3, memory) == before
    file = source / "run" / "1.mp4"
    stamp = file.stat().st_mtime_ns
    file.write_bytes(b"RUN 1")
    os.utime(file, ns=(stamp, stamp + 1))
    after = scan(source, None, 3, memory)
    assert after[1].digest == hashlib.sha256(b"RUN 1").hexdigest()
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, False, True, True, True, True]


def test_a_scan_that_digests_nothing_reports_no_progress(
    source: Path, memory: Memory, capsys: pytest.CaptureFixture[str]
):
    scan(source, None, 3, memory)
    assert "digest" in capsys.readouterr().err
    scan(source, None, 3, memory)
    assert capsys.readouterr().err == ""


def test_a_file_that_grew_at_the_same_time_has_a_new_digest(source: Path, memory: Memory):
    scan(source, None, 3, memory)
    file = source / "run" / "1.mp4"
    stamp = file.stat().st_mtime_ns
    file.write_bytes(b"run 1 and more")
    os.utime(file, ns=(stamp, stamp))
    assert scan(source, None, 3, memory)[1].digest == hashlib.sha256(b"run 1 and more").hexdigest()


def test_digests_do_not_depend_on_the_memory(source: Path, memory: Memory, tmp_path: Path):
    scan(source, None, 3, memory)
    (source / "run" / "3.mp4").write_bytes(b"later")
    assert scan(source, None, 3, memory) == scan(source, None, 3, Memory(tmp_path / "another"))


# A scan that ends before its last file.

SCAN = """
import sys
from pathlib import Path
from varml.data.scan import scan
from varml.ground.memory import Memory
scan(Path(sys.argv[1]), None, 1, Memory(Path(sys.argv[2])))
"""


def scan_until(source: Path, file: Path, state: Path, stop: signal.Signals) -> int:
    """Scan ``source`` in a process that gets the signal ``stop`` while it reads ``file``, and return its status."""
    process = Project(source).start("python", "-c", SCAN, str(source), str(state))
    watched, deadline = psutil.Process(process.pid), time.monotonic() + 60
    try:
        while str(file) not in [opened.path for opened in watched.open_files()]:
            assert process.poll() is None, "it ended before it was stopped"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(stop)
        process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode


def many(source: Path, number: int) -> set[str]:
    """Add small files, and after them a hole that takes a minute to read; return the digests of the small."""
    for name in range(number):
        (source / "run" / f"{name:04}.mp4").write_bytes(str(name).encode())
    small = [file for file in source.rglob("*.mp4") if file.is_file()]
    (source / "wave" / "z.mp4").touch()
    os.truncate(source / "wave" / "z.mp4", 64 << 30)
    return {hashlib.sha256(file.read_bytes()).hexdigest() for file in small}


def test_an_interrupt_loses_no_digest_that_was_computed(source: Path, tmp_path: Path):
    digests = many(source, 20)
    assert scan_until(source, source / "wave" / "z.mp4", tmp_path / "state", signal.SIGINT) != 0
    assert set(all_of(tmp_path / "state").values()) == digests


def test_a_kill_loses_the_last_digests_alone(source: Path, tmp_path: Path):
    digests = many(source, REMEMBERED_AT_ONCE + 20)
    assert scan_until(source, source / "wave" / "z.mp4", tmp_path / "state", signal.SIGKILL) == -signal.SIGKILL
    remembered = all_of(tmp_path / "state").values()
    assert len(remembered) == REMEMBERED_AT_ONCE
    assert set(remembered) < digests


def test_what_is_remembered_is_not_computed_again(source: Path, memory: Memory):
    scan(source, None, 3, memory)
    memory.put(dict.fromkeys(all_of(memory._path), "remembered"))
    (source / "run" / "3.mp4").write_bytes(b"new")
    digests = [file.digest for file in scan(source, None, 3, memory)]
    assert digests == ["remembered"] * 3 + [hashlib.sha256(b"new").hexdigest()] + ["remembered"] * 3


def test_a_file_that_cannot_be_read(tmp_path: Path, memory: Memory):
    # Root may read any file; the first page of a process's memory is one that even root cannot.
    source, annotations = Path(f"/proc/{os.getpid()}"), tmp_path / "labels.csv"
    if not (source / "mem").exists():
        pytest.skip("there is no /proc here, and no other file that even root cannot read")
    annotations.write_text("path,label\ncmdline,run\nmem,wave\n")
    with pytest.raises(DataError, match=rf"'{source}/mem' cannot be read \(Input/output error\); give .* or remove it"):
        scan(source, str(annotations), 1, memory)
    assert len(all_of(memory._path)) == 1


@pytest.fixture
def unix_socket(source: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # The name of a socket is short, whatever folder the tests run in.
    monkeypatch.chdir(source / "run")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("socket.mp4")
    return source / "run" / "socket.mp4"


def test_what_is_no_regular_file_is_refused_by_name(source: Path, memory: Memory, tmp_path: Path, unix_socket: Path):
    outside = tmp_path / "outside.mp4"
    outside.write_bytes(b"secret")
    os.mkfifo(source / "run" / "fifo.mp4")
    (source / "run" / "dangling.mp4").symlink_to(source / "nowhere")
    (source / "run" / "out.mp4").symlink_to(outside)
    (source / "wave" / "relative.mp4").symlink_to("../../outside.mp4")
    (source / "wave" / "device.mp4").symlink_to("/dev/zero")
    with pytest.raises(DataError) as caught:
        scan(source, None, 3, memory)
    assert str(caught.value).splitlines()[1:] == [
        "  'run/dangling.mp4' is a link that leads nowhere",
        "  'run/fifo.mp4' is a FIFO",
        "  'run/out.mp4' is a link, or lies behind one, that leads out of the data source",
        "  'run/socket.mp4' is a socket",
        "  'wave/device.mp4' is a link, or lies behind one, that leads out of the data source",
        "  'wave/relative.mp4' is a link, or lies behind one, that leads out of the data source",
    ]


def test_annotations_that_name_a_folder(source: Path, memory: Memory, annotate: Annotate):
    (source / "linked").symlink_to(source / "run")
    name = annotate(["path,label", "run,run", "linked,run", ".,run", "wave/0.mp4,wave"])
    with pytest.raises(DataError) as caught:
        scan(source, name, 1, memory)
    assert str(caught.value).splitlines()[1:] == [
        "  '.' (labels.csv, line 4) is a folder, and not one of numbered images",
        "  'linked' (labels.csv, line 3) is a folder, and not one of numbered images",
        "  'run' (labels.csv, line 2) is a folder, and not one of numbered images",
    ]


def test_a_link_out_of_the_source_is_refused_with_its_line(
    source: Path, memory: Memory, annotate: Annotate, tmp_path: Path
):
    (tmp_path / "outside.mp4").write_bytes(b"secret")
    (source / "out.mp4").symlink_to(tmp_path / "outside.mp4")
    (source / "behind").symlink_to(tmp_path)
    lines = ["path,label", "run/0.mp4,run", "out.mp4,run", "wave/0.mp4,wave", "behind/outside.mp4,wave"]
    with pytest.raises(DataError) as caught:
        scan(source, annotate(lines), 1, memory)
    assert str(caught.value).splitlines()[1:] == [
        "  'behind/outside.mp4' (labels.csv, line 5) is a link, or lies behind one, that leads out of the data source",
        "  'out.mp4' (labels.csv, line 3) is a link, or lies behind one, that leads out of the data source",
    ]


def test_links_of_links_are_followed_to_their_end(source: Path, memory: Memory, annotate: Annotate, tmp_path: Path):
    (tmp_path / "outside.mp4").touch()
    links = {
        "good": "hop", "hop": "wave/../run/0.mp4", "out": "hop2", "hop2": "deep/../../outside.mp4", "up": "wave/../..",
        "root": "/", "round": "round2", "round2": "round", "absolute": str(source / "run" / "1.mp4"), "deep": "wave",
    }  # fmt: skip
    for name, target in links.items():
        (source / name).symlink_to(target)
    rows = [f"{name},run" for name in links if name != "deep"]
    with pytest.raises(DataError) as caught:
        scan(source, annotate(["path,label", "wave/0.mp4,wave", *rows]), 1, memory)
    faults = {line.split("'")[1]: line.split(") ")[1] for line in str(caught.value).splitlines()[1:]}
    out, nowhere = "is a link, or lies behind one, that leads out of the data source", "is a link that leads nowhere"
    assert faults == {"hop2": out, "out": out, "root": out, "up": out, "round": nowhere, "round2": nowhere}


def test_many_are_counted(source: Path, memory: Memory):
    for number in range(25):
        os.mkfifo(source / "run" / f"fifo{number:02}.mp4")
    with pytest.raises(DataError) as caught:
        scan(source, None, 3, memory)
    lines = str(caught.value).splitlines()
    assert len(lines) == 22
    assert lines[-1] == "  and 5 more"


def test_a_link_inside_the_source_is_a_file(source: Path, memory: Memory):
    (source / "run" / "linked.mp4").symlink_to("../wave/0.mp4")
    files = {file.path: file for file in scan(source, None, 3, memory)}
    assert files["run/linked.mp4"].digest == files["wave/0.mp4"].digest


def test_a_source_that_is_itself_a_link(source: Path, memory: Memory, tmp_path: Path):
    (tmp_path / "linked").symlink_to(source)
    (source / "run" / "linked.mp4").symlink_to("../wave/0.mp4")
    assert scan(tmp_path / "linked", None, 3, memory) == scan(source, None, 3, memory)


ODD_PATHS = [
    "run/new\nline.mp4", "run/a,b.mp4", 'run/"quoted".mp4', "run/é 日本.mp4", "run/ spaces .mp4", "run/'x'.mp4",
    "run/crlf\r\n.mp4", "run/tab\t.mp4", "run/#x;|.mp4", os.fsdecode(b"run/caf\xe9\xff.mp4"), "run/-\\n.mp4", "NA",
]  # fmt: skip


@pytest.mark.parametrize("path", ODD_PATHS)
def test_a_path_comes_back_from_the_file_as_it_was(tmp_path: Path, path: str):
    rows = [
        ScannedFile(path, "1", "", "train", 5, "ab"),
        ScannedFile("b.mp4", 'run, "fast"', "NA", "", 0, ""),
        ScannedFile("c.mp4", "null", " é ", "", 1, "cd", start_sec="0.1", end_sec="1e-07"),
    ]
    write_files(tmp_path / "files.csv", rows)
    assert read_files(tmp_path / "files.csv") == rows
    # One line a row, whatever reads it.
    assert len((tmp_path / "files.csv").read_text(encoding="utf-8").splitlines()) == 4


def test_no_rows_come_back_as_none(tmp_path: Path):
    write_files(tmp_path / "files.csv", [])
    assert read_files(tmp_path / "files.csv") == []


def test_equal_sources_give_equal_files(source: Path, memory: Memory, tmp_path: Path):
    for name in ("one", "two"):
        write_files(tmp_path / name, scan(source, None, 3, memory))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert b"\r" not in (tmp_path / "one").read_bytes()
    assert str(tmp_path).encode() not in (tmp_path / "one").read_bytes()
