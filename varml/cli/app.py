"""The commands of ``varml``, each a few lines around one call of the library."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from varml.errors import VarmlError
from varml.ground.allocator import keep_freed_memory
from varml.ground.paths import INSPECTED

app = typer.Typer(
    help="Finds the best action recogniser for a folder of labelled videos. `dvc repro` does the work.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _whole_process() -> None:
    keep_freed_memory()


@contextmanager
def _errors_without_traceback() -> Iterator[None]:
    try:
        yield
    except VarmlError as error:
        typer.echo(f"varml: {error}", err=True)
        raise typer.Exit(1) from error


@app.command()
def sample(
    directory: Annotated[Path, typer.Argument(help="folder to make; it must not exist or be empty")],
    seed: Annotated[int, typer.Option(help="equal seeds give equal videos")] = 0,
) -> None:
    """Make the embedded sample: short videos of drawn figures in six actions by ten persons."""
    from varml.data.sample import make_sample

    with _errors_without_traceback():
        videos = make_sample(directory, seed=seed)
    typer.echo(f"{len(videos)} videos in {directory}")


@app.command()
def doctor() -> None:
    """Check versions, device, decoders, weights and the MLflow store; status 1 where something must be mended."""
    from varml.cli.doctor import run_checks

    if not run_checks():
        raise typer.Exit(1)


@app.command()
def predict(
    videos: Annotated[list[Path], typer.Argument(help="video files")],
    model: Annotated[
        str | None, typer.Option(help="MLflow URI or model folder; default: the champion, then model/")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object per video")] = False,
) -> None:
    """Say which action each video shows, with probabilities."""
    from varml.cli.predict import describe
    from varml.tracking.served_model import find_model
    from varml.tracking.store import tracking_errors

    failed = 0
    with _errors_without_traceback(), tracking_errors():
        predictor = find_model(model).predictor
    for video in videos:
        try:
            typer.echo(describe(video, predictor.predict_file(video), as_json))
        except VarmlError as error:
            failed += 1
            typer.echo(
                json.dumps({"video": str(video), "error": str(error)}) if as_json else f"varml: {error}",
                err=True,
            )
    if failed:
        raise typer.Exit(1)


@app.command()
def serve(
    model: Annotated[
        str | None, typer.Option(help="MLflow URI or model folder; default: the champion, then model/")
    ] = None,
    host: Annotated[
        str, typer.Option(help="address to listen on; beyond loopback, VARML_TOKEN is needed")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="port to listen on; 0: any that is free", min=0, max=65535)] = 8000,
    allowed_host: Annotated[
        list[str] | None, typer.Option(help="a further name by which requests may call the service; repeatable")
    ] = None,
    lanes: Annotated[int, typer.Option(help="requests worked on at a time; 0: one per core", min=0)] = 0,
    threads: Annotated[int, typer.Option(help="threads of torch in a lane", min=1)] = 1,
    queue: Annotated[int, typer.Option(help="requests that may wait for a lane", min=1)] = 32,
    max_body_mb: Annotated[float, typer.Option(help="size of a body", min=0.001)] = 64,
    max_videos: Annotated[int, typer.Option(help="videos in a request", min=1)] = 16,
    max_spool_mb: Annotated[float, typer.Option(help="size of all bodies on disk together", min=0.001)] = 2048,
    body_timeout_sec: Annotated[float, typer.Option(help="time for a body to arrive", min=0.1)] = 60,
    request_timeout_sec: Annotated[float, typer.Option(help="time from the body to the answer", min=0.1)] = 60,
    shutdown_timeout_sec: Annotated[int, typer.Option(help="time for requests that run at the end", min=1)] = 30,
) -> None:
    """Answer over HTTP: MLflow's /invocations, /ping and /version, uploads at /v1/predict, /metrics and /docs."""
    from varml.cli.serve import run_service
    from varml.tracking.store import tracking_errors

    with _errors_without_traceback(), tracking_errors():
        run_service(
            model,
            host=host,
            port=port,
            allowed_hosts=tuple(allowed_host or ()),
            num_lanes=lanes,
            num_threads=threads,
            num_waiting=queue,
            max_body_mb=max_body_mb,
            max_videos=max_videos,
            max_spool_mb=max_spool_mb,
            body_timeout_sec=body_timeout_sec,
            request_timeout_sec=request_timeout_sec,
            shutdown_timeout_sec=shutdown_timeout_sec,
        )


@app.command()
def inspect(
    video: Annotated[Path, typer.Argument(help="video file, or folder of numbered images")],
    out: Annotated[Path, typer.Option(help="folder to write to; it is made where it does not exist")] = INSPECTED,
) -> None:
    """Show what a model sees of a video: a png with frames, flow in colours and arrows, and an mp4 side by side."""
    with _errors_without_traceback():
        from varml.cli.inspect import inspect_to
        from varml.data.names import to_text

        files = inspect_to(out, video)
    for file in files:
        typer.echo(to_text(str(file)))


@app.command()
def worker(
    timeout_sec: Annotated[float | None, typer.Option(help="begin no other trial after so long", min=0)] = None,
) -> None:
    """Run trials of the project's search beside `dvc repro`, on this machine or, with VARML_STORAGE, on another."""
    with _errors_without_traceback():
        from varml.cli.worker import run_worker

        run_worker(timeout_sec)


@app.command()
def promote(
    version: Annotated[str | None, typer.Argument(help="version to promote; default: the challenger")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what the gate says, and change nothing")] = False,
    force: Annotated[bool, typer.Option("--force", help="promote it whatever the gate says; needs --reason")] = False,
    reason: Annotated[str | None, typer.Option(help="why it is forced; kept with the version")] = None,
) -> None:
    """Make a version of the registered model the champion, if the gate lets it pass; status 1 where it does not."""
    if force != bool(reason):
        raise typer.BadParameter("--force and --reason go together: what passes over the gate says why")
    with _errors_without_traceback():
        from varml.cli.promotion import outcome
        from varml.config import load_params
        from varml.tracking.registry.promotion import promote as promote_version
        from varml.tracking.store import tracking_errors

        register = load_params().register_
        with tracking_errors():
            done = promote_version(register.model_name, register.gate, version, dry_run=dry_run, forced=reason)
    typer.echo(outcome(done, dry_run=dry_run), err=not done.promoted)
    if not done.promoted:
        raise typer.Exit(1)


@app.command()
def rollback() -> None:
    """Make the champion before the present one the champion again."""
    with _errors_without_traceback():
        from varml.config import load_params
        from varml.tracking.registry.promotion import rollback as roll_back
        from varml.tracking.store import tracking_errors

        name = load_params().register_.model_name
        with tracking_errors():
            left, back = roll_back(name)
    typer.echo(f"{name} version {back} is @champion again, in place of version {left}")


@app.command()
def export(
    directory: Annotated[Path, typer.Argument(help="folder to make; it must not exist")],
    model: Annotated[
        str | None, typer.Option(help="MLflow URI or model folder; default: the champion, then model/")
    ] = None,
) -> None:
    """Export a model to ONNX, checked against it; `varml predict --model DIRECTORY` then answers by onnxruntime."""
    with _errors_without_traceback():
        from varml.cli.export import export_to
        from varml.tracking.store import tracking_errors

        with tracking_errors():
            typer.echo(export_to(directory, model))


@app.command()
def lineage(
    version: Annotated[str | None, typer.Argument(help="version to trace; default: the challenger")] = None,
) -> None:
    """Say where a version comes from: commit, data, study and trial, environment."""
    with _errors_without_traceback():
        from varml.cli.lineage import describe_trace
        from varml.config import load_params
        from varml.tracking.provenance.trace import trace
        from varml.tracking.store import tracking_errors

        name = load_params().register_.model_name
        with tracking_errors():
            typer.echo(describe_trace(trace(name, version)))


@app.command()
def reproduce(
    version: Annotated[str, typer.Argument(help="version to make again")],
    directory: Annotated[Path, typer.Argument(help="folder to make it in; it must not exist or be empty")],
    data: Annotated[Path | None, typer.Option(help="where its videos are now; default: where they were")] = None,
    python: Annotated[
        str | None, typer.Option(help="interpreter that has what it needs; default: a new virtual environment")
    ] = None,
) -> None:
    """Make a version again from its commit, environment and search result; status 1 where it answers otherwise."""
    with _errors_without_traceback():
        from varml.cli.lineage import describe_reproduction
        from varml.config import load_params
        from varml.tracking.provenance.reproduction import reproduce as make_again
        from varml.tracking.provenance.trace import trace
        from varml.tracking.store import tracking_errors

        name = load_params().register_.model_name
        with tracking_errors():
            made = make_again(trace(name, version), directory, data, python)
    typer.echo(describe_reproduction(made))
    if not made.is_the_same:
        raise typer.Exit(1)


@app.command()
def clean(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would be removed, and remove nothing")] = False,
) -> None:
    """Remove extracted files that no video of the manifest needs, and what a kill left half-written."""
    with _errors_without_traceback():
        from varml.cli.clean import remove_unneeded
        from varml.config import load_params

        files, size_mb = remove_unneeded(Path(), load_params(), dry_run=dry_run)
    typer.echo(f"{'would remove' if dry_run else 'removed'} {files} files, {size_mb:.1f} MB")
