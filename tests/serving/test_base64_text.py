"""Base64 that is decoded piece by piece is what Python decodes at once, wherever the pieces end."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varml.serving.base64_text import Text, decode


def decoded(text: bytes, piece: int) -> bytes:
    parts: list[bytes] = []
    around = b'"' + text + b'"'
    decode(Text(around, 1, 1 + len(text)), parts.append, piece)
    return b"".join(parts)


@given(st.binary(max_size=300), st.integers(1, 40), st.booleans(), st.sampled_from([b"", b"\\n", b"\\r\\n", b"\n"]))
def test_pieces_may_end_anywhere(content: bytes, piece: int, escaped: bool, line_end: bytes) -> None:
    text = base64.b64encode(content)
    text = text.replace(b"/", b"\\/") if escaped else text
    text = line_end.join(text[place : place + 7] for place in range(0, len(text), 7)) if not escaped else text
    assert decoded(text, piece) == content


@given(st.binary(min_size=1, max_size=60), st.integers(1, 40), st.sampled_from([b"=", b"A", b"*", b"\\t", b"\xff"]))
def test_what_is_no_base64_is_no_base64_in_pieces(content: bytes, piece: int, added: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decoded(base64.b64encode(content) + added, piece)
