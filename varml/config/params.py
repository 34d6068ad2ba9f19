"""The types and ranges of params.yaml, one class per section.

Names that live in registries (backbone, kind of attention, fusion, flow estimator, sampler, pruner) are plain strings
here, and are checked by :mod:`varml.config.check` with the arguments that some take. A field made with
:func:`searchable` may be named under ``search.space``, one made with :func:`end_to_end` under ``search.confirm.space``.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from varml.config.register_params import Register
from varml.config.search_params import Search
from varml.config.section import Section, end_to_end, searchable

# The value of ingest.group_from that is no regular expression.
PARENT_FOLDER = "parent_folder"
Balance = Literal["none", "weights", "sampler"]
Illumination = Literal["none", "clahe", "gray_world"]
TrainPrecision = Literal["auto", "float32", "bf16"]
Unfreeze = Literal["none", "last_stage", "all"]
Adapt = Literal["none", "flow", "both"]
Adapting = Literal["last_stage", "all"]
FlowImages = Literal["direction", "magnitude", "both", "stack"]
Pooling = Literal["mean", "thirds", "attentive"]


class Engine(Section):
    """Where work is fanned out."""

    name: Literal["local"]
    num_workers: int = Field(ge=0, description="processes; 0 is one per core")


class SplitLists(Section):
    """Lists of videos as UCF101 has them, files below the data source; all empty where there are none."""

    train: list[str]
    val: list[str] = Field(description="none: val is taken from train")
    test: list[str]

    @property
    def are_given(self) -> bool:
        """Whether any list is named."""
        return bool(self.train or self.val or self.test)

    @model_validator(mode="after")
    def _train_and_test_go_together(self) -> SplitLists:
        if self.are_given and not (self.train and self.test):
            raise ValueError("train and test must both name lists, or none of train, val and test")
        return self


class Data(Section):
    """The labelled videos."""

    source: str | None = Field(description="folder of labelled videos, absolute or relative to the project")
    annotations: str | None = Field(description="CSV in that folder; null reads one folder per class")
    split_lists: SplitLists
    max_bad_fraction: float = Field(ge=0, lt=1)
    min_videos_per_class: int = Field(ge=3)
    mirror_pairs: list[tuple[str, str]] | None = Field(description="classes that a mirror turns into each other")

    @field_validator("mirror_pairs", mode="before")
    @classmethod
    def _come_in_twos(cls, pairs: object) -> object:
        if pairs is None:
            return None
        if not isinstance(pairs, list) or any(not isinstance(pair, (list, tuple)) or len(pair) != 2 for pair in pairs):
            raise ValueError("must be null or a list of pairs of class names, such as [[walk_left, walk_right]]")
        return pairs

    @field_validator("mirror_pairs")
    @classmethod
    def _each_class_has_one_mirror_image(cls, pairs: list[tuple[str, str]] | None) -> list[tuple[str, str]] | None:
        names = Counter(name for pair in pairs or () for name in pair)
        if twice := [name for name, count in names.items() if count > 1]:
            raise ValueError(f"must name each class once; {', '.join(twice)} stands there twice")
        return pairs

    @model_validator(mode="after")
    def _one_kind_of_labels(self) -> Data:
        if self.annotations is not None and self.split_lists.are_given:
            raise ValueError("annotations and split_lists both say what is labelled; set one to null or to empty lists")
        return self


class Probe(Section):
    """Limits on reading one strange file."""

    timeout_sec: float = Field(gt=0)
    timeout_sec_per_mb: float = Field(ge=0)
    memory_mb: int = Field(ge=512)
    max_frame_megapixels: float = Field(gt=0)
    max_video_gigapixels: float = Field(gt=0)
    reader: Literal["pyav", "decord"] = Field(description="decord is taken where its frames are those of PyAV")


class Ingest(Section):
    """Labels, groups and splits."""

    group_from: str | None = Field(description="parent_folder, or a regular expression searched in the path")
    crossing_groups: Literal["refuse", "allow"]
    # Whole folds are held out, so a share between these is met as nearly as 1/n can.
    test_fraction: float = Field(ge=0.05, le=0.5)
    val_fraction: float = Field(ge=0.05, le=0.5)
    frame_rate: float = Field(gt=0, description="images a second of a video that is a folder of images")
    duplicates: Literal["refuse", "group", "ignore"] = Field(description="what to do about copies among the videos")
    probe: Probe

    @field_validator("group_from")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"must be a regular expression: {error}") from error
        return pattern

    @model_validator(mode="after")
    def _leaves_something_to_train_on(self) -> Ingest:
        if self.test_fraction + self.val_fraction > 0.6:
            raise ValueError("test_fraction + val_fraction must be at most 0.6, so that something is left to train on")
        return self


class Frames(Section):
    """Which frames are kept of each video, and how."""

    num_segments: int = Field(ge=1, le=256)
    frames_per_segment: int = Field(ge=2, le=64)
    frame_interval_sec: float = Field(gt=0)
    short_side_px: int = Field(ge=32, le=2160)
    jpeg_quality: int = Field(ge=50, le=100)
    illumination: Illumination = Field(description="how differences in light are taken out before frames are stored")

    @property
    def num_frames(self) -> int:
        """Frames kept per video."""
        return self.num_segments * self.frames_per_segment


class Flow(Section):
    """Optical flow inside each segment."""

    estimator: str
    bound_px: float = Field(gt=0, description="displacements beyond it are clipped")
    jpeg_quality: int = Field(ge=50, le=100)
    stabilize: Literal["none", "affine"] = Field("none", description="affine takes the motion of the camera away")
    weights: dict[str, str] = Field({}, description="estimator name to a file of its weights")


class Features(Section):
    """Backbone features of both streams, as a model in service computes them too."""

    image_size_px: int = Field(ge=32, le=1024)
    grid_size: int = Field(ge=1, le=16)
    flow_images: FlowImages = Field(description="what of each step of flow the backbone is shown")
    weights: dict[str, str] = Field(description="backbone name to a safetensors file of its weights")

    @property
    def frozen(self) -> Features:
        """These params alone, without those of what may be adapted."""
        return Features(**{name: getattr(self, name) for name in Features.model_fields})


class Adaptation(Section):
    """The short training of a stream's backbone, in each fold on what the fold does not validate."""

    unfreeze: Adapting = Field(default="last_stage", description="what of the backbone is trained")
    num_epochs: int = Field(default=5, ge=1, le=10_000)
    batch_size: int = Field(default=8, ge=1)
    lr: float = Field(default=1e-3, gt=0, le=1, description="peak, of the classifier and of the last layers")
    layer_decay: float = Field(default=0.8, gt=0, le=1, description="of the learning rate, from layer to layer down")
    augment: float = Field(default=0.0, ge=0, le=1, description="strength of the random changes of its clips")


class AdaptableFeatures(Features):
    """Features of frozen backbones, or of backbones that have seen the training part of their fold."""

    adapt: Adapt = Field("none", description="the streams whose backbones are adapted")
    adaptation: Adaptation = Adaptation()

    @property
    def adapted_streams(self) -> tuple[str, ...]:
        """The streams whose backbones are adapted."""
        return {"none": (), "flow": ("flow",), "both": ("rgb", "flow")}[self.adapt]


class Views(Section):
    """In which views each video is seen, in training by turns and in every answer all of them (see list_views)."""

    num_crops: Literal[1, 3] = Field(default=1, description="squares along the longer side; 1: the whole frame")
    # Not what is shipped: models that do not say it were saved when each crop was seen both ways.
    mirror: Literal["both", "alternate"] = Field(
        default="both", description="alternate: of crops every other one is seen in a mirror, and not each both ways"
    )
    num_clips: int = Field(default=1, ge=1, description="interleaved subsets of the segments")


class Attention(Section):
    """Self-attention of a stream's tokens."""

    kind: Annotated[str, searchable()] = "temporal"
    depth: Annotated[int, searchable(ge=0, le=6)]
    num_heads: Annotated[int, searchable(ge=1, le=16)]


class Model(Section):
    """The recogniser; a dimension of the search space overrides a value here."""

    backbone: Annotated[str, searchable()]
    attention: Attention
    pooling: Annotated[Pooling, searchable()] = "mean"
    fusion: Annotated[str, searchable()]
    stream_dropout: Annotated[float, searchable(ge=0, lt=1)] = 0.0
    width: Annotated[int, searchable(ge=8, le=2048)]
    dropout: Annotated[float, searchable(ge=0, lt=1)]

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> Model:
        if self.width % self.attention.num_heads:
            raise ValueError(f"width must be a multiple of attention.num_heads, {self.attention.num_heads}")
        return self


class Ensemble(Section):
    """Several of the ranked trials served as one model."""

    max_members: int = Field(1, ge=1, le=50, description="so many, a trial that counts twice counted twice; 1: none")


class Finetune(Section):
    """Training end to end, after that on cached features."""

    num_epochs: int = end_to_end(default=10, ge=1, le=10_000)
    batch_size: int = end_to_end(default=8, ge=1)
    lr: float = end_to_end(
        default=3e-4, gt=0, le=1, description="peak, of the recogniser and of the last layers of the backbones"
    )
    layer_decay: float = end_to_end(
        default=0.8, gt=0, le=1, description="of the learning rate, from layer to layer down"
    )


class Train(Section):
    """One training, in the search and of the winner."""

    num_epochs: Annotated[int, searchable(ge=1, le=10_000)]
    batch_size: Annotated[int, searchable(ge=1)]
    lr: Annotated[float, searchable(gt=0, le=1)]
    weight_decay: Annotated[float, searchable(ge=0)]
    label_smoothing: Annotated[float, searchable(ge=0, lt=1)]
    balance: Annotated[Balance, searchable()]
    mirror: Annotated[bool, searchable()] = False
    max_grad_norm: Annotated[float, searchable(ge=0)] = 1.0
    ema: Annotated[float, searchable(ge=0, lt=1)] = 0.0
    precision: TrainPrecision = Field("auto", description="of training on pixels; auto takes the faster one")
    checkpoint_every: int = Field(1, ge=0, description="epochs of training on pixels between checkpoints")
    augment: float = end_to_end(
        ge=0, le=1, description="strength of the random changes of clips in training from pixels"
    )
    unfreeze: Unfreeze = end_to_end(default="none", description="what of the backbones such training goes on to train")
    finetune: Finetune = Finetune()
    ensemble: Ensemble = Field(Ensemble(max_members=1), description="of the final training")
    min_precision: float | None = Field(None, gt=0, le=1, description="least share of right answers; null answers all")


class Evaluate(Section):
    """Figures on the test split."""

    confidence: float = Field(gt=0.5, lt=1, description="level of the interval around top-1")


class Params(Section):
    """All of params.yaml."""

    seed: int = Field(ge=0, lt=2**31)
    plugins: list[str] = Field([], description="modules, or .py files relative to params.yaml, that register parts")
    engine: Engine
    data: Data
    ingest: Ingest
    frames: Frames
    flow: Flow
    features: AdaptableFeatures
    views: Views = Views()
    model: Model
    train: Train
    search: Search
    evaluate: Evaluate
    register_: Register = Field(alias="register")

    @field_validator("views")
    @classmethod
    def _clips_share_the_segments(cls, views: Views, info: ValidationInfo) -> Views:
        frames = info.data.get("frames")
        if frames is not None and frames.num_segments % views.num_clips:
            raise ValueError(
                f"num_clips must divide frames.num_segments, {frames.num_segments}, so that every clip has as many; "
                "change one of them"
            )
        return views
