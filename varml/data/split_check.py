"""Whether splits and folds are possible at all, asked before the first video is decoded."""

from __future__ import annotations

from varml.config.params import Params
from varml.data.groups import group_of
from varml.data.scan import ScannedFile
from varml.ground.content_key import content_key
from varml.ground.memory import Memory


def check_splits(files: list[ScannedFile], params: Params, memory: Memory) -> None:
    """Raise DataError where labels, groups and given splits allow no split or no folds, were every file readable.

    A row without a file counts for nothing. What passed once is remembered: to split many files takes seconds, and a
    scan that finds nothing new takes less.
    """
    present = [file for file in files if file.digest]
    groups = [group_of(file, params.ingest.group_from) for file in present]
    values = {"ingest": params.ingest.model_dump(), "search": [params.search.validation, params.search.num_folds]}
    rows = [(file.label, group, file.split, file.path) for file, group in zip(present, groups, strict=True)]
    key = f"splits|{content_key(rows=rows, seed=params.seed, **values)}"
    if present and not memory.get([key]):
        _split(present, params)
        memory.put({key: True})


def _split(files: list[ScannedFile], params: Params) -> None:
    # Here and not above: pandas and scikit-learn are slow to import, and mostly there is nothing to do.
    from varml.data.split_files import split_files
    from varml.data.splits import make_folds

    # Copies are left to ingest: files of the same bytes may all be unreadable.
    groups, splits = split_files(files, (), params)
    if params.search.validation == "folds":
        kept = [number for number, name in enumerate(splits.names) if name != "test"]
        labels = [files[number].label for number in kept]
        make_folds(labels, [groups[number] for number in kept], params.search.num_folds, params.seed)
