"""A PostgreSQL of the tests' own, on a port of the loopback, made and thrown away by them."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
def server(folder: Path) -> Iterator[str]:
    """Yield the address of an empty database; the server and its files in ``folder`` end with the block."""
    data, port = folder / "data", _free_port()
    data.mkdir(parents=True)
    if os.getuid() == 0:
        shutil.chown(data, USER)
        _let_through(data)
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


def _let_through(folder: Path) -> None:
    # pytest's folders are their owner's alone.
    for parent in folder.parents:
        if parent.stat().st_uid == os.getuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o111)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
