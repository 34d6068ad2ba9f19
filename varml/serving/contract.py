"""What OpenAPI says of the two routes that take videos, and of how a request may be refused."""

from __future__ import annotations

from typing import Any

from varml.serving import json_videos, multipart_videos

_REFUSALS = {
    400: "the body breaks a rule that the reply states, or holds too many videos",
    401: "the token is missing or wrong",
    403: "the header Host is not this service's, or the request comes from another site's page",
    408: "the body takes too long to arrive",
    413: "the body is too long",
    415: "the body is compressed or of another type, or a file in it is in no known video container",
    422: "a video cannot be decoded within the model's limits; the reply says why",
    503: "too many requests wait, or this one did for too long; Retry-After says when to ask again",
    504: "the answer takes longer than a request may",
}
_ANSWER = {
    "type": "object",
    "properties": {
        "predictions": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "label": {"type": "string"},
                    "probabilities": {"type": "object", "additionalProperties": {"type": "number"}},
                },
            },
        }
    },
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "an answer for each video, in their order",
        "content": {"application/json": {"schema": _ANSWER}},
    },
    **{status: {"description": text} for status, text in _REFUSALS.items()},
}
_FILES = {
    "type": "object",
    "description": "one or more video files, each in a field `video`",
    "properties": {"video": {"type": "array", "items": {"type": "string", "format": "binary"}}},
    "required": ["video"],
}
_ROWS = {
    "type": "object",
    "description": 'such as {"dataframe_records": [{"video": base64}]}; also dataframe_split, inputs and instances',
}


def body_of(content_type: str) -> dict[str, Any]:
    """Return the part of OpenAPI that describes a body."""
    schema = {multipart_videos.CONTENT_TYPE: _FILES, json_videos.CONTENT_TYPE: _ROWS}[content_type]
    return {"requestBody": {"required": True, "content": {content_type: {"schema": schema}}}}
