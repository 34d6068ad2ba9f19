"""Which videos belong together: the annotations say so, or the path does."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from varml.config.params import PARENT_FOLDER
from varml.data.labelled_file import LabelledFile
from varml.data.names import to_text


def group_of(file: LabelledFile, group_from: str | None) -> str:
    """Return the group written for a file, else what ``group_from`` makes of its path, else the path itself.

    ``parent_folder`` is the folder that holds the video. Anything else is a regular expression: its first capturing
    group, or the whole match where it has none. A match without text is none.
    """
    if file.group:
        return file.group
    if group_from == PARENT_FOLDER:
        return to_text(PurePosixPath(file.path).parent.as_posix())
    match = re.search(group_from, file.path) if group_from else None
    return to_text((match and match[min(match.re.groups, 1)]) or file.path)
