"""Adapts the backbones of the streams that ``features.adapt`` names to each fold, and stores what they then see."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines._stage import run_stage
from varml.config.params import Params
from varml.data.manifest import read_manifest
from varml.ground.atomic import write_json
from varml.ground.engine import map_parallel
from varml.ground.paths import ADAPTED_STREAMS, MANIFEST, state_folder
from varml.ground.progress import progress

if TYPE_CHECKING:
    from varml.training.adaptations import Adaptation
    from varml.training.adapting import Videos


def main(params: Params) -> None:
    """No video of the test split is looked at: ``evaluate`` computes what the adapted backbones see of those."""
    # DVC warns of an out that is empty, as this one would be where nothing is adapted.
    write_json(ADAPTED_STREAMS, params.features.adapted_streams)
    if not params.features.adapted_streams:
        return
    # Here and not above: torch and timm are slow to import, and there may be nothing to do.
    from varml.data.validation import TRAINING_SPLITS
    from varml.training.adaptations import list_adaptations

    rows = read_manifest(MANIFEST, splits=TRAINING_SPLITS)
    missing = [adaptation for adaptation in list_adaptations(rows, params) if not adaptation.is_done]
    if not missing:
        return
    from varml.training.adapting import Videos

    for (backbone, stream), of_stream in groupby(missing, key=lambda a: (a.backbone, a.stream)):
        _adapt(Videos(rows, params), backbone, stream, list(of_stream))


def _adapt(videos: "Videos", backbone: str, stream: str, adaptations: list["Adaptation"]) -> None:
    from varml.training.adapting import AdaptTask, adapt
    from varml.training.keeping_maps import keep_maps, make_map_files

    num_workers, name = videos.params.engine.num_workers, f"{backbone}, {stream}"
    with _scratch_folder() as folder:
        maps = make_map_files(videos, backbone, stream, folder)
        if maps:
            kept = keep_maps(videos, backbone, stream, maps, num_workers)
            for _ in progress(kept, len(videos.rows), f"{name}, before the last stage"):
                pass
        done = map_parallel(adapt, [AdaptTask(videos, a, maps) for a in adaptations], num_workers=num_workers)
        for _ in progress(done, len(adaptations), f"{name}, adapted"):
            pass


@contextmanager
def _scratch_folder() -> Iterator[Path]:
    """Make a folder that is empty, whatever a kill has left there, and remove it afterwards."""
    folder = state_folder() / "adapting"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    run_stage("adapt_features", main)
