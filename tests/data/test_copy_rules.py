"""Copies share a group and a split, are refused where they are parted, and are warned of where labels differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scenes import RATE, frames_of, plan_of, shrunk
from videos import write_video

from varml.config import Params, load_params
from varml.data.copy_rules import NOT_LOOKED_FOR, cross_pairs, join, refuse_crossing, sides_of, warn_of_labels
from varml.data.duplicates import Pair
from varml.data.ingest import Ingested, ingest
from varml.data.scan import ScannedFile, scan
from varml.data.split_files import split_files
from varml.errors import DataError
from varml.ground.memory import Memory

ROOT = Path(__file__).resolve().parents[2]

names = st.integers(0, 19).map(str)


@given(st.lists(st.tuples(names, names), max_size=30), st.lists(st.integers(0, 9), min_size=20, max_size=20))
def test_groups_are_joined_whole_and_no_others(links: list[tuple[str, str]], numbers: list[int]):
    paths, groups = [str(number) for number in range(20)], [f"g{number}" for number in numbers]
    joined = dict(zip(paths, join([Pair(a, b, "near") for a, b in links], paths, groups), strict=True))
    reached = {path: {path} for path in paths}
    edges = links + [(a, b) for a in paths for b in paths if groups[int(a)] == groups[int(b)]]
    for _ in paths:
        for a, b in edges:
            reached[a] |= reached[b]
            reached[b] |= reached[a]
    assert all((joined[a] == joined[b]) == (b in reached[a]) for a in paths for b in paths)
    assert set(joined.values()) <= set(groups)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of five videos; the last of each is a re-encoded copy, one of a video of the other class."""
    folder = tmp_path_factory.mktemp("tree")
    for label in ("kick", "wave"):
        (folder / label).mkdir()
        for number in range(4):
            write_video(folder / label / f"{number}.mp4", shrunk(frames_of(plan_of(20 + number), label)), RATE)
    for target, source, label in (("kick/4.mp4", 0, "kick"), ("wave/4.mp4", 1, "kick")):
        write_video(folder / target, shrunk(frames_of(plan_of(20 + source), label)), RATE, options={"crf": "30"})
    return folder


@pytest.fixture(scope="module")
def run(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Ingested]:
    """A function from a mode and the splits by path to what ingest makes of the tree."""
    memory = Memory(tmp_path_factory.mktemp("state") / "probes.sqlite")
    files = scan(tree, None, 4, Memory(tmp_path_factory.mktemp("state") / "digests.sqlite"))

    def run_ingest(mode: str, splits: dict[str, str] | None = None, seed: int = 0) -> Ingested:
        values = load_params(ROOT / "params.yaml").model_dump(by_alias=True)
        values["seed"], values["engine"]["num_workers"], values["data"]["min_videos_per_class"] = seed, 1, 4
        values["ingest"].update(duplicates=mode, group_from=None)
        given = [replace(file, split=splits[file.path]) for file in files] if splits else files
        return ingest(given, tree, Params.model_validate(values), memory)

    return run_ingest


NEAR = [
    {"first": "kick/0.mp4", "second": "kick/4.mp4", "kind": "near"},
    {"first": "kick/1.mp4", "second": "wave/4.mp4", "kind": "near"},
]
LABELS = (
    "1 pair of copies have two labels, such as 'kick/1.mp4' (kick) and 'wave/4.mp4' (wave); mend them or remove one "
    "of each pair"
)


@pytest.mark.parametrize("seed", range(4))
def test_group_keeps_copies_in_one_group_and_split(run: Callable[..., Ingested], seed: int):
    done = run("group", seed=seed)
    rows = done.manifest.set_index("path")
    for pair in NEAR:
        first, second = rows.loc[pair["first"]], rows.loc[pair["second"]]
        assert (first["group"], first["split"]) == (second["group"], second["split"])
    assert done.card["num_duplicates"] == 2
    assert done.card["duplicates"] == NEAR
    assert LABELS in done.card["warnings"]
    assert done.card["num_groups"] == 8


def test_refuse_names_the_pairs_on_two_sides_and_the_remedy(run: Callable[..., Ingested]):
    with pytest.raises(DataError) as caught:
        run("refuse")
    first, *lines = str(caught.value).splitlines()
    assert "copies of each other and stand on two sides of the splits, which makes scores too good" in first
    assert "set ingest.duplicates to group (copies then share a group), remove one of each pair, or set it to" in first
    assert 1 <= len(lines) <= 2
    assert all(line.startswith("  'kick/") and line.endswith(": near") for line in lines)


SIDES = {f"{label}/{number}.mp4": "train" for label in ("kick", "wave") for number in range(5)}
HELD_OUT = {"kick/2.mp4": "val", "wave/2.mp4": "val", "kick/3.mp4": "test", "wave/3.mp4": "test"}


def test_copies_within_one_split_are_not_refused_and_share_a_group(run: Callable[..., Ingested]):
    done = run("refuse", {**SIDES, **HELD_OUT})
    assert done.card["duplicates"] == NEAR
    groups = done.manifest.set_index("path")["group"]
    assert groups["kick/0.mp4"] == groups["kick/4.mp4"]


@pytest.mark.parametrize("mode", ["refuse", "group"])
def test_copies_that_the_user_parted_are_refused_in_both_modes(run: Callable[..., Ingested], mode: str):
    with pytest.raises(DataError) as caught:
        run(mode, {**SIDES, **HELD_OUT, "kick/4.mp4": "test"})
    assert str(caught.value).splitlines() == [
        "1 pair of videos are copies of each other and stand on two sides of the splits, which makes scores too good; "
        "move one of each pair to the other's split, remove it, or set ingest.duplicates to ignore:",
        "  'kick/0.mp4' (train) and 'kick/4.mp4' (test): near",
    ]


def test_ignore_looks_for_nothing_and_says_so(run: Callable[..., Ingested]):
    done = run("ignore", {**SIDES, **HELD_OUT, "kick/4.mp4": "test"})
    assert done.card["num_duplicates"] is None
    assert done.card["duplicates"] == []
    assert NOT_LOOKED_FOR in done.card["warnings"]
    assert done.card["num_groups"] == 10


def test_the_list_of_what_is_refused_is_bounded():
    pairs = [Pair(f"{n:03}", f"{n:03}b", "exact") for n in range(25)]
    sides = {path: {path[3:] or "a"} for pair in pairs for path in (pair.first, pair.second)}
    with pytest.raises(DataError) as caught:
        refuse_crossing(pairs, sides, "mend it")
    assert str(caught.value).splitlines()[-1] == "  and 5 more"


def test_clips_of_one_file_share_a_group():
    assert len(set(join((), ["a", "a"], ["g0", "g1"]))) == 1


def test_a_file_whose_clips_stand_on_two_sides_crosses_with_its_copy():
    sides = sides_of(["a", "a", "b", "b", "c"], ["train", "test", "train", "test", "train"])
    pairs = [Pair("a", "b", "exact"), Pair("a", "c", "near"), Pair("c", "c", "exact")]
    assert cross_pairs(pairs, sides) == pairs[:2]


def test_copies_of_which_one_has_more_clips_may_share_a_label():
    labels = sides_of(["a", "a", "b", "c"], ["wave", "kick", "wave", "run"])
    assert warn_of_labels([Pair("a", "b", "exact")], labels) == []
    assert len(warn_of_labels([Pair("a", "c", "exact")], labels)) == 1


def test_copies_that_join_all_groups_are_named():
    shipped = load_params(ROOT / "params.yaml")
    params = shipped.model_copy(update={"ingest": shipped.ingest.model_copy(update={"duplicates": "group"})})
    files = [ScannedFile(f"{label}/person0{n}.mp4", label, "", "", 9, f"{label}{n}") for label in "xy" for n in (1, 2)]
    with pytest.raises(DataError, match=r"copies, such as 'x/person01.mp4' and 'x/person02.mp4', join all 2 groups"):
        split_files(files, [Pair("x/person01.mp4", "x/person02.mp4", "near")], params)
