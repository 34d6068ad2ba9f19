"""Training on changed clips: stored features at strength 0, and above it the same changes whoever makes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from videos import Image

from varml.config.params import Features, Flow, Train
from varml.errors import StoreError
from varml.flow.store import FlowTask, extract_flow, read_packed_flow
from varml.models.backbones import build_backbone
from varml.models.features import compute_features, features_of, rgb_input
from varml.training.augmented import AugmentedFeatures, AugmentedImages
from varml.training.batches import Batch, Draw, draw_batches, own_share
from varml.training.clips import AugmentedClips, ClipSet, Place
from varml.video.frames import read_frames
from varml.video.pack import write_pack

SIZE_PX, NUM_SEGMENTS, NUM_FRAMES = 64, 2, 3
FEATURES = Features(image_size_px=SIZE_PX, grid_size=1, flow_images="direction", weights={})
FLOW = Flow(estimator="dis", bound_px=16, jpeg_quality=95)
LABELS = [0, 0, 1, 1, 0]
BOTH = ("rgb", "flow")


def texture(rng: np.random.Generator, width: int) -> Image:
    coarse = rng.integers(0, 256, (9, width, 3), dtype=np.uint8)
    return coarse.repeat(8, axis=0).repeat(8, axis=1)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> ClipSet:
    """Five stored videos of textures that move to the right, of several widths."""
    folder, rng = tmp_path_factory.mktemp("stored"), np.random.default_rng(0)
    frames, flow = ([folder / f"{kind}{number}.pack" for number in range(len(LABELS))] for kind in ("frames", "flow"))
    for path, target, width in zip(frames, flow, (12, 12, 9, 16, 10), strict=True):
        still = texture(rng, width)
        moving = np.stack([np.stack([np.roll(still, 2 * step, axis=1) for step in range(NUM_FRAMES)])] * NUM_SEGMENTS)
        write_pack(path, moving, 95)
        extract_flow(FlowTask(path, target, FLOW))
    return ClipSet(frames, flow, LABELS, mirror=[0, 1], bound_px=FLOW.bound_px)


@pytest.fixture(scope="module")
def source(clips: ClipSet) -> AugmentedFeatures:
    backbone = build_backbone("tf_efficientnet_lite0", SIZE_PX, {})
    images = AugmentedImages(clips, dict.fromkeys(BOTH, backbone), FEATURES, strength=0.7, seed=3, num_workers=0)
    return AugmentedFeatures(images)


def changed(source: AugmentedFeatures, **values: object) -> AugmentedFeatures:
    return AugmentedFeatures(replace(source.images, **values))  # type: ignore[arg-type]


@pytest.fixture
def draws(train: Train) -> list[Draw]:
    return list(draw_batches(torch.tensor(LABELS), train.model_copy(update={"num_epochs": 2, "batch_size": 3}), 0))


@pytest.fixture
def drawn(draws: list[Draw]) -> Callable[..., list[Batch]]:
    """A function from a source to the batches of three of its videos and the other two, in each of two epochs."""

    def draw(source: AugmentedFeatures, streams: tuple[str, ...] = BOTH) -> list[Batch]:
        return list(source.batches(iter(draws), streams))

    return draw


def same(one: list[Batch], other: list[Batch]) -> bool:
    return all(
        torch.equal(a.targets, b.targets) and all(torch.equal(a.inputs[s], b.inputs[s]) for s in a.inputs)
        for a, b in zip(one, other, strict=True)
    )


def test_at_strength_zero_the_features_are_those_that_are_stored(
    source: AugmentedFeatures, draws: list[Draw], drawn
) -> None:
    batches = drawn(changed(source, strength=0.0))
    for draw, batch in zip(draws, batches, strict=True):
        for row, position in enumerate(draw.positions.tolist()):
            frames, flow = (
                read_frames(source.images.clips.frames[position]),
                read_packed_flow(source.images.clips.flow[position]),
            )
            stored = compute_features(source.images.backbones, frames, flow, FEATURES)
            assert all(np.array_equal(batch.inputs[stream][row].numpy(), stored[stream]) for stream in BOTH)
            assert batch.targets[row].argmax() == LABELS[position]
    assert [len(batch.targets) for batch in batches] == [3, 2, 3, 2]


def test_batches_do_not_depend_on_how_many_processes_read(source: AugmentedFeatures, drawn) -> None:
    here = drawn(source)
    assert same(here, drawn(changed(source, num_workers=2)))
    assert not same(here, drawn(changed(source, seed=4)))


@pytest.mark.parametrize("num_processes", [2, 4])
def test_processes_share_the_rows_of_a_batch_as_one_would_compute_them(
    source: AugmentedFeatures, draws: list[Draw], drawn, num_processes: int
) -> None:
    mixed = changed(source, strength=1.0)
    whole = drawn(mixed)
    assert any(mix.partner != row for draw in draws for row, mix in enumerate(mixed.images.mixes(draw)))
    for rank in range(num_processes):
        shares = [own_share(draw, rank, num_processes) for draw in draws]
        for share, batch, full in zip(shares, mixed.batches(iter(shares), BOTH), whole, strict=True):
            rows = share.own_rows
            assert torch.equal(batch.targets, full.targets[rows])
            assert all(torch.equal(batch.inputs[stream], full.inputs[stream][rows]) for stream in BOTH)


def test_each_epoch_changes_a_clip_anew(source: AugmentedFeatures, draws: list[Draw], drawn) -> None:
    seen: dict[int, list[torch.Tensor]] = {}
    for draw, batch in zip(draws, drawn(source), strict=True):
        for row, position in enumerate(draw.positions.tolist()):
            seen.setdefault(position, []).append(batch.inputs["rgb"][row])
    assert all(not torch.equal(first, second) for first, second in seen.values())


def test_clips_are_laid_over_each_other_as_the_backbone_sees_them_and_their_labels_with_them(
    source: AugmentedFeatures,
) -> None:
    draw = Draw(epoch=1, number=2, positions=torch.tensor([0, 2, 4]))
    (batch,) = source.batches(iter([draw]), ("rgb",))
    made = AugmentedClips(source.images.clips, source.images.strength, source.images.seed)
    clips = [made[Place(1, 2, row, position)] for row, position in enumerate(draw.positions.tolist())]
    images = [rgb_input(source.images.backbones["rgb"], clip.frames, FEATURES) for clip in clips]
    mixes = source.images.mixes(draw)
    assert any(mix.partner != row and mix.share > 0.02 for row, mix in enumerate(mixes))
    for row, (partner, share) in enumerate(mixes):
        seen = features_of(source.images.backbones["rgb"], torch.lerp(images[row], images[partner], share), FEATURES)
        assert np.array_equal(batch.inputs["rgb"][row].numpy(), seen)
        shares = (1 - share) * clips[row].label + share * clips[partner].label
        assert batch.targets[row].tolist() == pytest.approx(shares.tolist(), abs=1e-6)


def test_a_video_that_is_drawn_twice_is_changed_twice(source: AugmentedFeatures) -> None:
    draws = [Draw(0, number, torch.tensor([1, 1])) for number in range(2)]
    rows = torch.cat([batch.inputs["rgb"] for batch in source.batches(iter(draws), ("rgb",))])
    assert len(rows.flatten(1).unique(dim=0)) == 4


def test_only_the_streams_that_are_asked_for_are_computed(source: AugmentedFeatures, drawn) -> None:
    whole, part = drawn(source), drawn(source, ("flow",))
    assert set(part[0].inputs) == {"flow"}
    assert torch.equal(whole[0].inputs["flow"], part[0].inputs["flow"])


@pytest.mark.parametrize("mirror", [[0, 1], [1, 0]])
def test_mirrored_clips_have_the_mirrored_class(source: AugmentedFeatures, drawn, mirror: list[int]) -> None:
    alike = replace(source.images.clips, labels=[0] * len(LABELS), mirror=mirror)
    targets = torch.cat([batch.targets for batch in drawn(changed(source, clips=alike, strength=1.0))])
    assert bool((targets[:, 1] > 0).any()) is (mirror == [1, 0])
    assert torch.allclose(targets.sum(1), torch.ones(len(targets)))


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_damaged_file_is_named_without_a_traceback(
    source: AugmentedFeatures, drawn, tmp_path: Path, num_workers: int
) -> None:
    damaged = tmp_path / "damaged.pack"
    damaged.write_bytes(source.images.clips.flow[4].read_bytes()[:200])
    clips = replace(source.images.clips, flow=[*source.images.clips.flow[:4], damaged])
    with pytest.raises(StoreError, match=f"^{damaged} is no readable pack") as caught:
        drawn(changed(source, clips=clips, num_workers=num_workers))
    assert "Traceback" not in str(caught.value)
