"""The packed store against a file per frame: what reading takes, and what `dvc add` and `dvc checkout` take.

``python -m benchmarks.store`` takes frames of the embedded sample, or of the videos below ``--source``, and changes
each copy a little until there are ``--frames``. Both stores hold the same pixels: JPEG 4:4:4 of one quality.

Readers take turns on one thread. Warm files are in the memory of the system, and the values are medians of CPU time;
cold ones are not, as those of a set larger than memory, and the wall is told. simplejpeg is the decoder of the packs,
OpenCV and PIL are what training loaders use; decoding alone, without any file, is what no store of JPEG can beat.
DVC runs in temporary repositories with its defaults; its CPU is that of its whole process tree.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import cycle
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from PIL import Image

from benchmarks.decode import EXTENSIONS
from benchmarks.interleaved import interleaved
from benchmarks.pipeline import ROOT
from benchmarks.report import Figure, report
from varml.config import load_params
from varml.video.frames import clip_frames
from varml.video.pack import Images, Pack, write_pack
from varml.video.probe import clip_of, probe_video

READ_GOAL, ADD_GOAL, CHECKOUT_GOAL = 1.6, 4, 8
NUM_READ = 200  # videos that the readers read
READ_ROUNDS, DVC_ROUNDS = 9, 3
Paths = list[Path]


def main() -> None:
    """Measure and report."""
    arguments = _arguments()
    cv2.setNumThreads(1)
    source = arguments.source or ROOT / "sample"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        num_frames = write_stores(source, folder, arguments.frames)
        parts = {"reading": measure_reading, "dvc": measure_dvc}
        chosen = [arguments.only] if arguments.only else parts
        figures = [figure for part in chosen for figure in parts[part](folder)]
    report(f"{num_frames} frames, packed or a file each", figures, arguments.json)


def write_stores(source: Path, folder: Path, num_frames: int) -> int:
    """Write ``packed/`` and ``files/`` with the same frames of ``source`` into ``folder``; return how many frames."""
    quality, written = load_params().frames.jpeg_quality, 0
    (folder / "packed").mkdir()
    for number, frames in enumerate(varied_frames(source)):
        if written >= num_frames:
            break
        write_pack(folder / "packed" / f"{number:06}.pack", frames, quality)
        target = folder / "files" / f"{number:06}"
        target.mkdir(parents=True)
        for place, image in enumerate(frames.reshape(-1, *frames.shape[2:])):
            encoded = simplejpeg.encode_jpeg(image, quality, "RGB", "444", fastdct=False)
            (target / f"{place:05}.jpg").write_bytes(encoded)
            written += 1
    return written


def varied_frames(source: Path) -> Iterator[Images]:
    """Yield the frames of each video as they are sampled, (S, F, H, W, 3), over and over, shifted by a pixel more.

    DVC stores equal files once, so no two may be equal.
    """
    params = load_params()
    videos = sorted(path for path in source.rglob("*") if path.suffix in EXTENSIONS)
    sampled = [clip_frames(clip_of(path, probe_video(path, params.ingest.probe)), params.frames) for path in videos]
    for number, frames in enumerate(cycle(sampled)):
        yield np.ascontiguousarray(np.roll(frames, number // len(sampled), axis=3))


# Reading.


def measure_reading(folder: Path) -> Iterator[Figure]:
    """Yield what it takes to read all frames of a video, and every second one."""
    # What is not on the disk yet stays in memory.
    os.sync()
    packs = sorted((folder / "packed").iterdir())
    packs = packs[:: max(len(packs) // NUM_READ, 1)]
    videos = [sorted((folder / "files" / pack.stem).iterdir()) for pack in packs]
    num_frames = len(videos[0])
    yield from compare(f"all {num_frames}", packs, videos, None)
    half = list(range(0, num_frames, 2))
    yield from compare(f"{len(half)} of {num_frames}", packs, [[paths[i] for i in half] for paths in videos], half)


def compare(name: str, packs: Paths, videos: list[Paths], indices: Sequence[int] | None) -> Iterator[Figure]:
    """Yield what it takes to read ``indices`` of each pack, and the same frames from files."""
    check_equal(packs, videos, indices)
    jobs: dict[str, Callable[[], object]] = {
        "packed": partial(read_packs, packs, indices),
        **{key: partial(read_videos, read, videos) for key, read in READERS.items()},
    }
    alone = partial(decode_videos, [[path.read_bytes() for path in paths] for paths in videos])
    files = {key: packs if key == "packed" else [path for paths in videos for path in paths] for key in jobs}
    warm = interleaved({**jobs, "decoding alone": alone}, READ_ROUNDS)
    for state, seconds in (("warm", warm), ("cold", cold(jobs, files))):
        yield from (Figure(f"{name}, {state}: {key}", 1e3 * sec / len(packs), "ms") for key, sec in seconds.items())
        for key in list(seconds)[1:]:
            goal = None if key == "decoding alone" else READ_GOAL
            times = seconds[key] / seconds["packed"]
            yield Figure(f"{name}, {state}: {key} / packed", times, "times", goal, at_least=True)


def cold(jobs: dict[str, Callable[[], object]], files: dict[str, Paths]) -> dict[str, float]:
    """Return the median wall seconds of each job, each time after its files are out of the system's memory."""
    taken: dict[str, list[float]] = {key: [] for key in jobs}
    for _ in range(READ_ROUNDS):
        for key, job in jobs.items():
            evict(files[key])
            start = time.perf_counter()
            job()
            taken[key].append(time.perf_counter() - start)
    return {key: statistics.median(values) for key, values in taken.items()}


def evict(paths: Paths) -> None:
    """Let the system forget the contents of files; it keeps where they lie."""
    for path in paths:
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read_simplejpeg(paths: Paths) -> Images:
    """Read files with the decoder that packs use."""
    return np.stack([_decoded(path.read_bytes()) for path in paths])


def read_cv2(paths: Paths) -> Images:
    """Read files with OpenCV."""
    return np.stack([np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)) for path in paths])


def read_pil(paths: Paths) -> Images:
    """Read files with PIL, as torchvision's loaders do."""
    return np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths])


READERS = {"simplejpeg": read_simplejpeg, "cv2": read_cv2, "PIL": read_pil}


def read_packs(packs: Paths, indices: Sequence[int] | None) -> None:
    """Read packs one after the other."""
    for pack in packs:
        Pack(pack).read(indices)


def read_videos(read: Callable[[Paths], Images], videos: list[Paths]) -> None:
    """Read the files of one video after the other."""
    for paths in videos:
        read(paths)


def decode_videos(videos: list[list[bytes]]) -> None:
    """Decode what is in memory already."""
    for encoded in videos:
        for data in encoded:
            _decoded(data)


def check_equal(packs: Paths, videos: list[Paths], indices: Sequence[int] | None) -> None:
    """Raise ValueError where a reader gives other pixels than the pack: it would do other work."""
    packed = Pack(packs[0]).read(indices)
    for name, read in READERS.items():
        if not np.array_equal(packed.reshape(-1, *packed.shape[-3:]), read(videos[0])):
            raise ValueError(f"{name} reads other pixels than a pack; compare decoders of one version of libjpeg-turbo")


def _decoded(data: bytes) -> Images:
    return np.asarray(simplejpeg.decode_jpeg(data, "RGB", fastdct=False, fastupsample=False))


# DVC.


def measure_dvc(folder: Path) -> Iterator[Figure]:
    """Yield the CPU time of ``dvc add`` and ``dvc checkout`` on both stores."""
    dvc = partial(run_dvc, folder)
    empty = folder / "empty"
    empty.mkdir()
    dvc(empty, "init", "--no-scm", "--quiet")
    jobs: dict[str, Callable[[], object]] = {"start": partial(dvc, empty, "version")}
    for store in ("packed", "files"):
        # Copying and removing is this process's own work, which does not count.
        jobs[f"add {store}"] = partial(add, folder, store)
        jobs[f"checkout {store}"] = partial(check_out, folder, store)
    seconds = interleaved(jobs, DVC_ROUNDS, children_cpu_sec)
    yield from (Figure(f"dvc {name}, CPU", value, "s") for name, value in seconds.items())
    for command, goal in (("add", ADD_GOAL), ("checkout", CHECKOUT_GOAL)):
        times = seconds[f"{command} files"] / seconds[f"{command} packed"]
        yield Figure(f"dvc {command}: packed takes less CPU", times, "times", goal, at_least=True)


def add(folder: Path, store: str) -> None:
    """Add a store to a new repository."""
    repository = folder / f"repository-{store}"
    shutil.rmtree(repository, ignore_errors=True)
    shutil.copytree(folder / "empty", repository)
    shutil.copytree(folder / store, repository / "frames")
    run_dvc(folder, repository, "add", "--quiet", "frames")


def check_out(folder: Path, store: str) -> None:
    """Get a store back from the cache of its repository."""
    repository = folder / f"repository-{store}"
    shutil.rmtree(repository / "frames")
    run_dvc(folder, repository, "checkout", "--quiet")
    found, stored = (sum(1 for _ in place.rglob("*.*")) for place in (repository / "frames", folder / store))
    if found != stored:
        raise RuntimeError(f"dvc checkout brought {found} files back where there are {stored}")


def run_dvc(folder: Path, repository: Path, *arguments: str) -> None:
    """Run DVC with nothing of this machine's configuration; raises CalledProcessError where it fails."""
    places = ("DVC_SITE_CACHE_DIR", "DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR")
    own = {name: str(folder / name.lower()) for name in places}
    environment = {**{k: v for k, v in os.environ.items() if not k.startswith("DVC_")}, **own, "DVC_NO_ANALYTICS": "1"}
    command = [sys.executable, "-m", "dvc", *arguments]
    # The system still writes what came before, and whoever uses the disk then pays for it.
    os.sync()
    subprocess.run(command, cwd=repository, env=environment, check=True, stdout=subprocess.DEVNULL)


def children_cpu_sec() -> float:
    """Return the CPU time of all processes that this one has started and waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, help="folder of videos whose frames are stored; default: the sample")
    parser.add_argument("--frames", type=int, default=20_000, help="how many frames are stored")
    parser.add_argument("--only", choices=("reading", "dvc"), help="measure this part alone")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    return parser.parse_args()


if __name__ == "__main__":
    main()
