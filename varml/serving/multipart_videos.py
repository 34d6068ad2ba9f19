"""Video files of a form (``multipart/form-data``): each part is one, named ``video``, and goes to disk as it comes."""

from __future__ import annotations

from pathlib import Path

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from varml.serving.refusals import Refusal
from varml.serving.spool import Room, SpooledFile

FIELD = "video"
CONTENT_TYPE = "multipart/form-data"


class MultipartVideos:
    """Takes a body piece by piece; raises Refusal where it is no form, or has another field or too many videos.

    What a part calls its file is never looked at.
    """

    def __init__(self, content_type: str, room: Room, max_videos: int) -> None:
        self._room, self._max_videos = room, max_videos
        self._paths: list[Path] = []
        self._file: SpooledFile | None = None
        self._header, self._value, self._disposition = bytearray(), bytearray(), b""
        self._complete = False
        boundary = parse_options_header(content_type)[1].get(b"boundary")
        if not boundary:
            raise Refusal(400, f"the Content-Type {CONTENT_TYPE} must name a boundary")
        self._parser = _parser(boundary, self)

    def write(self, piece: bytes) -> None:
        """Take the next piece of the body."""
        try:
            self._parser.write(piece)
        except FormParserError:
            raise Refusal(400, f"the body must be {CONTENT_TYPE} as its Content-Type says, and it is not") from None

    def close(self) -> list[Path]:
        """Return the files, in the order of the parts."""
        if not self._complete:
            raise Refusal(400, "the form breaks off before its last boundary")
        if not self._paths:
            raise Refusal(400, f"the form must hold at least one file in a field named {FIELD}")
        return self._paths

    def begin_part(self) -> None:
        """Expect the headers of a part."""
        self._disposition = b""

    def add_header_field(self, data: bytes, start: int, end: int) -> None:
        """Take a piece of a header's name; the parser bounds its length."""
        self._header += data[start:end]

    def add_header_value(self, data: bytes, start: int, end: int) -> None:
        """Take a piece of a header's value; the parser bounds its length."""
        self._value += data[start:end]

    def end_header(self) -> None:
        """Keep the one header that matters."""
        if self._header.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header, self._value = bytearray(), bytearray()

    def end_headers(self) -> None:
        """Open the file of a part."""
        if parse_options_header(self._disposition)[1].get(b"name") != FIELD.encode():
            raise Refusal(400, f"every field of the form must be a file and be named {FIELD}")
        if len(self._paths) == self._max_videos:
            raise Refusal(400, f"a request may hold {self._max_videos} videos at most")
        self._file = self._room.new_file()
        self._paths.append(self._file.path)

    def add_data(self, data: bytes, start: int, end: int) -> None:
        """Write a piece of a part."""
        assert self._file is not None
        self._file.write(data[start:end])

    def end_part(self) -> None:
        """Close the file of a part."""
        assert self._file is not None
        self._file.close()

    def end(self) -> None:
        """Note that the form is whole."""
        self._complete = True


def _parser(boundary: bytes, to: MultipartVideos) -> MultipartParser:
    try:
        return MultipartParser(
            boundary,
            {
                "on_part_begin": to.begin_part,
                "on_header_field": to.add_header_field,
                "on_header_value": to.add_header_value,
                "on_header_end": to.end_header,
                "on_headers_finished": to.end_headers,
                "on_part_data": to.add_data,
                "on_part_end": to.end_part,
                "on_end": to.end,
            },
        )
    except FormParserError:
        raise Refusal(400, f"the boundary of {CONTENT_TYPE} is too long") from None
