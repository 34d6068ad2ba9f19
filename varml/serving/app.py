"""The application: routes, and around them what every request passes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from varml.errors import VideoError
from varml.serving import json_videos, multipart_videos
from varml.serving.access import Access
from varml.serving.answers import answered, as_json, refused
from varml.serving.body import CLIENT_LEFT, pour
from varml.serving.body_limit import BodyLimit, Lingering
from varml.serving.contract import RESPONSES, body_of
from varml.serving.docs_page import docs_page
from varml.serving.json_videos import extract_videos
from varml.serving.lanes import Lanes, too_late
from varml.serving.multipart_videos import MultipartVideos
from varml.serving.refusals import Refusal
from varml.serving.request_log import RequestLog, facts_of
from varml.serving.settings import Settings
from varml.serving.spool import Room, Spool
from varml.serving.telemetry import Telemetry
from varml.tracking.served_model import ServedModel
from varml.video.gate import check_is_video_file

# A lane says itself that a request is late, unless it is at something that cannot be stopped.
_GRACE_SEC = 1.0
Receive = Callable[[Request, Room], Awaitable[list[Path]]]


def create_app(model: ServedModel, settings: Settings, lanes: Lanes, spool: Spool, telemetry: Telemetry) -> ASGIApp:
    """Return the whole application; ``lanes`` must be started before it is asked."""
    api = FastAPI(
        title="varml",
        version=version("varml"),
        description="Says which action a video shows.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    _add_state_routes(api, model, telemetry)
    _add_video_routes(api, settings, lanes, spool)
    api.add_exception_handler(Refusal, _refuse)
    api.add_exception_handler(HTTPException, _refuse_unknown)
    telemetry.know(frozenset({"/openapi.json", "/docs", *api.openapi()["paths"]}))
    guarded = Access(BodyLimit(api, settings.max_body_bytes), settings)
    return Lingering(RequestLog(guarded, telemetry))


def _add_state_routes(api: FastAPI, model: ServedModel, telemetry: Telemetry) -> None:
    @api.get("/ping", summary="whether the service is there; needs no token")
    @api.get("/health", summary="the same")
    async def ping() -> Response:
        return PlainTextResponse("\n")

    @api.get("/version", summary="the versions of varml and of the model")
    async def versions() -> Response:
        of_model = {"digest": model.predictor.digest, "name": model.name, "version": model.version}
        return as_json({"varml": version("varml"), "model": of_model})

    @api.get("/metrics", summary="figures for Prometheus")
    async def metrics() -> Response:
        text = await run_in_threadpool(telemetry.text)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    @api.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return HTMLResponse(docs_page(api.openapi()))


def _add_video_routes(api: FastAPI, settings: Settings, lanes: Lanes, spool: Spool) -> None:
    async def receive_json(request: Request, room: Room) -> list[Path]:
        body = room.new_file()
        await pour(request, body.write, settings.body_timeout_sec)
        await run_in_threadpool(body.close)
        return await run_in_threadpool(extract_videos, body.path, room, settings.max_videos)

    async def receive_form(request: Request, room: Room) -> list[Path]:
        form = MultipartVideos(request.headers["content-type"], room, settings.max_videos)
        await pour(request, form.write, settings.body_timeout_sec)
        return form.close()

    async def predict(request: Request, content_type: str, receive: Receive) -> Response:
        _check_content_type(request, content_type)
        lanes.check_room()
        with spool.room() as room:
            videos = await receive(request, room)
            await run_in_threadpool(_check_containers, videos)
            return await _answer(request, lanes, videos, settings.request_timeout_sec)

    json_type, form_type = json_videos.CONTENT_TYPE, multipart_videos.CONTENT_TYPE

    @api.post("/invocations", summary="answers as MLflow's", responses=RESPONSES, openapi_extra=body_of(json_type))
    async def invocations(request: Request) -> Response:
        return await predict(request, json_type, receive_json)

    @api.post("/v1/predict", summary="answers for files", responses=RESPONSES, openapi_extra=body_of(form_type))
    async def predict_files(request: Request) -> Response:
        return await predict(request, form_type, receive_form)


def _check_content_type(request: Request, content_type: str) -> None:
    given, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.lower().replace(" ", "").replace('"', "")
    is_other_text = charset.startswith("charset=") and charset != "charset=utf-8"
    if given.strip().lower() != content_type or is_other_text:
        raise Refusal(415, f"the Content-Type must be {content_type}, in UTF-8")


def _check_containers(videos: list[Path]) -> None:
    for number, video in enumerate(videos, 1):
        try:
            check_is_video_file(video)
        except VideoError as error:
            raise Refusal(415, f"video {number} {error}") from None


async def _answer(request: Request, lanes: Lanes, videos: list[Path], limit_sec: float) -> Response:
    """Return the answer, or raise Refusal as soon as it is late or nobody is there to get it."""
    job = lanes.submit(videos, time.monotonic() + limit_sec)
    answer = asyncio.wrap_future(job)
    gone = asyncio.ensure_future(_until_it_leaves(request))
    waiting: set[asyncio.Future[Any]] = {answer, gone}
    try:
        await asyncio.wait(waiting, timeout=limit_sec + _GRACE_SEC, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return answered(answer.result())
        if gone.done():
            raise Refusal(CLIENT_LEFT, "the client left before its answer")
        raise too_late() if job.running() else lanes.busy()
    finally:
        answer.cancel()
        gone.cancel()
        with suppress(asyncio.CancelledError):
            await gone


async def _until_it_leaves(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    facts = facts_of(request.scope)
    facts.reason = error.reason
    return refused(error, facts.request_id)


async def _refuse_unknown(request: Request, error: Exception) -> Response:
    """Word what Starlette refuses: paths and methods that there are not."""
    assert isinstance(error, HTTPException)
    rule = {404: "there is no such path; /docs names them", 405: "the path does not take this method"}
    return await _refuse(
        request, Refusal(error.status_code, rule.get(error.status_code, str(error.detail)), error.headers)
    )
