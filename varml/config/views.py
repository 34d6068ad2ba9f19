"""The views in which a video is seen: which part of each frame, which of its segments, and whether in a mirror."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from varml.config.params import Views


@dataclass(frozen=True)
class View:
    """One way to look at a video.

    ``crop`` is which of the squares along the longer side of its frames is seen, None is the whole frame. ``clip`` c of
    ``num_clips`` C has the segments c, c+C, c+2C, ... ``mirrored`` is the view of the mirrored video: of frames wider
    than high, the first crop of a video in a mirror is the mirror image of its last crop.
    """

    crop: int | None = None
    clip: int = 0
    num_clips: int = 1
    mirrored: bool = False

    @property
    def name(self) -> str:
        """A short name such as ``crop0.clip1.mirrored``; the view of all that there is has none."""
        parts = {
            f"crop{self.crop}": self.crop is not None,
            f"clip{self.clip}": self.num_clips > 1,
            "mirrored": self.mirrored,
        }
        return ".".join(name for name, named in parts.items() if named)

    @property
    def of_all_segments(self) -> View:
        """The view whose features are stored; those of a clip are some of its steps."""
        return replace(self, clip=0, num_clips=1)


PLAIN = View()


def list_views(params: Views, mirror: bool) -> list[View]:
    """Return the views of every video, crops x clips, and with ``mirror`` all of these again of the mirrored video.

    Where crops and the mirror alternate (``params.mirror``), each crop is seen one way: the middle one in the mirror.
    """
    return [
        View(crop, clip, params.num_clips, mirrored)
        for crop, mirrored in _list_looks(params, mirror)
        for clip in range(params.num_clips)
    ]


def _list_looks(params: Views, mirror: bool) -> list[tuple[int | None, bool]]:
    """Return which part of each frame is seen, and whether in a mirror."""
    if mirror and params.num_crops > 1 and params.mirror == "alternate":
        return [(crop, crop % 2 == 1) for crop in range(params.num_crops)]
    crops = [None] if params.num_crops == 1 else range(params.num_crops)
    return [(crop, mirrored) for mirrored in ([False, True] if mirror else [False]) for crop in crops]


def stored_views(views: Iterable[View]) -> list[View]:
    """Return the views whose features must be stored for ``views``, each once."""
    return list(dict.fromkeys(view.of_all_segments for view in views))
