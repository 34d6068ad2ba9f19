"""A PostgreSQL of the tests' own, on a port of the loopback, made and thrown away by them."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from project import free_port

USER = "postgres"


def programs() -> Path | None:
    """Return the folder of PostgreSQL's programs, which Debian keeps off the path, or None where it has none."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda file: int(file.parts[-3]))
    found = str(versions[-1]) if versions else shutil.which("initdb")
    return Path(found).parent if found else None


def why_not() -> str | None:
    """Return why no server can be started here, or None where one can."""
    if programs() is None:
        return "PostgreSQL is not installed here (Debian's package is postgresql)"
    if os.getuid() == 0 and not any(user.pw_name == USER for user in pwd.getpwall()):
        return "PostgreSQL refuses to run as root, and there is no user postgres to run it as"
    return None


@contextmanager
def server() -> Iterator[str]:
    """Yield the address of an empty database; the server and its files end with the block."""
    # Not among pytest's folders, which are their owner's alone.
    with tempfile.TemporaryDirectory(prefix="varml-postgres-") as folder, _started(Path(folder)) as address:
        yield address


@contextmanager
def _started(data: Path) -> Iterator[str]:
    port = free_port()
    if os.getuid() == 0:
        shutil.chown(data, USER)
    _run("initdb", "--pgdata", str(data), "--username", USER, "--auth", "trust", "--no-sync")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
    _run("pg_ctl", "--pgdata", str(data), "--wait", "-o", options, "--log", str(data / "log"), "start")
    try:
        yield f"postgresql://{USER}@127.0.0.1:{port}/{USER}"
    finally:
        _run("pg_ctl", "--pgdata", str(data), "--mode", "immediate", "stop")


def _run(program: str, *arguments: str) -> None:
    folder = programs()
    assert folder is not None
    command = [str(folder / program), *arguments]
    if os.getuid() == 0:
        command = ["runuser", "-u", USER, "--", *command]
    # The server inherits what it is started with: a pipe would stay open as long as it runs.
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", check=False)
    assert done.returncode == 0, f"{command} ended with status {done.returncode}"
