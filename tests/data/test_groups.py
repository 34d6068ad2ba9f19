"""The group of a video, by its column, its folder or a pattern."""

from __future__ import annotations

import os

import pytest

from varml.data.groups import group_of
from varml.data.labelled_file import LabelledFile

PERSON = r"person\d+"
UCF = r"_g(\d+)_"


@pytest.mark.parametrize(
    ("path", "group_from", "group"),
    [
        ("run/person12_0.mp4", PERSON, "person12"),
        ("person1/run/person2.mp4", PERSON, "person1"),
        ("run/nobody.mp4", PERSON, "run/nobody.mp4"),
        ("run/person1.mp4", None, "run/person1.mp4"),
        ("Archery/v_Archery_g08_c01.avi", UCF, "08"),
        ("Biking/v_Biking_g08_c03.avi", UCF, "08"),
        ("Biking/v_Biking_c03.avi", UCF, "Biking/v_Biking_c03.avi"),
        ("a/s1_p2.mp4", r"s(\d)_p(\d)", "1"),
        ("a/p2.mp4", r"(?:s(\d)_)?p\d", "a/p2.mp4"),
        ("a/b.mp4", "x*", "a/b.mp4"),
        ("run/person1/a.mp4", "parent_folder", "run/person1"),
        ("run/a.mp4", "parent_folder", "run"),
        ("a.mp4", "parent_folder", "."),
        ("run/new\nline\\.mp4", None, r"run/new\nline\\.mp4"),
        (os.fsdecode(b"run/caf\xe9/a.mp4"), "parent_folder", r"run/caf\xe9"),
        (os.fsdecode(b"run/caf\xe9_1.mp4"), r"/(.+)_", r"caf\xe9"),
    ],
)
def test_the_group_of_a_path(path: str, group_from: str | None, group: str):
    assert group_of(LabelledFile(path, "run"), group_from) == group


@pytest.mark.parametrize("group_from", [None, PERSON, UCF, "parent_folder"])
def test_a_written_group_always_wins(group_from: str | None):
    assert group_of(LabelledFile("run/person1_g08_.mp4", "run", "given"), group_from) == "given"
