"""Videos in JSON, as MLflow's ``/invocations`` takes them: one column ``video``, base64.

A body is read from its file with little memory, whatever it holds: long strings, the videos, are first left out, and
what is left, the skeleton, must be short. It is parsed, and the videos are decoded from the file, piece by piece.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from varml.serving.base64_text import Text, decode
from varml.serving.file_text import FileText
from varml.serving.refusals import Refusal
from varml.serving.spool import Room

COLUMN = "video"
CONTENT_TYPE = "application/json"
FORMATS = ("dataframe_split", "dataframe_records", "inputs", "instances")
MAX_SKELETON_BYTES = 65536
# A longer string is a video; so long a run of backslashes is none.
_LONG = 1024


def extract_videos(body: Path, room: Room, max_videos: int) -> list[Path]:
    """Return the files of the videos of a body, in its order; raises Refusal (400) where it breaks a rule."""
    if not body.stat().st_size:
        raise Refusal(400, "the body is empty; it must be JSON")
    with body.open("rb") as file:
        skeleton = _Skeleton(FileText(file))
        values = _values(_parsed(skeleton.read()))
        if not 0 < len(values) <= max_videos:
            raise Refusal(400, f"a request must hold at least one video and may hold {max_videos} at most")
        pieces = [skeleton.text_of(value) for value in values]
        return [_write(piece, room, number) for number, piece in enumerate(pieces, 1)]


@dataclass
class _Skeleton:
    """Reads all of a text but its long strings, for each of which a word stands that no client can guess."""

    text: FileText
    word: str = field(default_factory=lambda: secrets.token_hex(16))
    long: dict[str, tuple[int, int]] = field(default_factory=dict)
    parts: list[bytes] = field(default_factory=list)
    num_bytes: int = 0

    def read(self) -> bytes:
        place = 0
        while (start := self.text.find(b'"', place) + 1) > 0:
            end = self._end_of_string(start)
            if end - start > _LONG:
                name = f"{self.word}{len(self.long)}"
                self.long[name] = (start, end)
                self._keep(place, start)
                self._add(name.encode())
            else:
                self._keep(place, end)
            self._keep(end, end + 1)
            place = end + 1
        self._keep(place, len(self.text))
        return b"".join(self.parts)

    def text_of(self, value: object) -> Text:
        """Return the text of a video."""
        if not isinstance(value, str):
            raise Refusal(400, f"the values of the column {COLUMN} must be strings of base64")
        if value in self.long:
            return Text(self.text, *self.long[value])
        short = value.encode("utf-8", "replace")
        return Text(short, 0, len(short))

    def _end_of_string(self, start: int) -> int:
        place = start
        while (end := self.text.find(b'"', place)) >= 0:
            before = self.text[max(start, end - _LONG) : end]
            num_backslashes = len(before) - len(before.rstrip(b"\\"))
            if num_backslashes % 2 == 0:
                return end
            if end - start > _LONG:
                raise Refusal(400, "a video must be base64, which holds no quotes")
            place = end + 1
        raise Refusal(400, "the body must be JSON, and a string in it has no end")

    def _keep(self, start: int, end: int) -> None:
        self._check(end - start)
        self._add(self.text[start:end])

    def _add(self, part: bytes) -> None:
        self._check(len(part))
        self.parts.append(part)
        self.num_bytes += len(part)

    def _check(self, num_bytes: int) -> None:
        if self.num_bytes + num_bytes > MAX_SKELETON_BYTES:
            raise Refusal(400, f"the JSON around the videos may have {MAX_SKELETON_BYTES} bytes at most")


def _parsed(skeleton: bytes) -> Any:
    try:
        return json.loads(skeleton.decode())
    except (ValueError, RecursionError):  # no UTF-8, no JSON, a number of thousands of digits, or too deep
        raise Refusal(400, "the body must be JSON in UTF-8, and it cannot be read as such") from None


def _values(tree: Any) -> list[Any]:
    """Return the values of the column in whatever way they are given."""
    given = [name for name in FORMATS if isinstance(tree, dict) and name in tree]
    if len(given) != 1:
        raise Refusal(400, f"the body must be an object with exactly one of {', '.join(FORMATS)}")
    if tree.keys() - {*given, "params"} or tree.get("params"):
        raise Refusal(400, f"the body may hold nothing beside {given[0]}; this model takes no params")
    content = tree[given[0]]
    if given[0] == "dataframe_split":
        return _of_split(content)
    if given[0] == "inputs" and isinstance(content, dict):
        return _of_columns(content)
    return _of_records(content)


def _of_split(content: Any) -> list[Any]:
    rows = content.get("data") if isinstance(content, dict) else None
    is_right = (
        isinstance(rows, list)
        and content.get("columns") == [COLUMN]
        and not content.keys() - {"columns", "data", "index"}
        and all(isinstance(row, list) and len(row) == 1 for row in rows)
    )
    if not is_right:
        raise Refusal(400, f'dataframe_split must be {{"columns": ["{COLUMN}"], "data": [[base64], ...]}}')
    return [row[0] for row in rows or []]


def _of_columns(content: dict[str, Any]) -> list[Any]:
    values = content.get(COLUMN)
    if list(content) != [COLUMN] or not isinstance(values, list | str):
        raise Refusal(400, f'inputs must be {{"{COLUMN}": [base64, ...]}}')
    return values if isinstance(values, list) else [values]


def _of_records(content: Any) -> list[Any]:
    if not isinstance(content, list) or not all(isinstance(row, dict) and list(row) == [COLUMN] for row in content):
        raise Refusal(400, f'rows must be [{{"{COLUMN}": base64}}, ...]')
    return [row[COLUMN] for row in content]


def _write(text: Text, room: Room, number: int) -> Path:
    file = room.new_file()
    try:
        decode(text, file.write)
    except ValueError:
        raise Refusal(400, f"video {number} must be base64, and it is not") from None
    finally:
        file.close()
    return file.path
