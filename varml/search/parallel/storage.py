"""Where studies are kept: a journal in ``.varml/`` for the processes of one machine, PostgreSQL for those of many.

Optuna's storages let several processes write at once. What one process reads and then decides by (is there a trial
left to run? has the study its first wave?) needs a lock beside them, which ends with the process that holds it: the
kernel's on a file, or PostgreSQL's advisory lock.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import optuna
from filelock import FileLock, Timeout
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock
from optuna.trial import FrozenTrial
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from varml.errors import SearchError, first_line
from varml.search.experimental import experimental

JOURNAL = "optuna.journal"
# The address of the database, with its password: it never stands in params.yaml, which is logged.
VARIABLE = "VARML_STORAGE"
# A worker on another machine whose trial has given no sign for so long is taken to be dead.
HEARTBEAT_SEC = 30
GRACE_SEC = 120

OnStale = Callable[[optuna.Study, FrozenTrial], None]


@dataclass(frozen=True)
class Storage:
    """Optuna's storage, and locks by name that one process holds at a time, of all that use the storage.

    ``locked(name)`` waits for it; ``held(name)`` does not, and tells whether it has got it. ``shared_as`` names a
    database that several projects may use, on several machines.
    """

    studies: BaseStorage
    locked: Callable[[str], AbstractContextManager[None]]
    held: Callable[[str], AbstractContextManager[bool]]
    shared_as: str | None = None


def open_storage(folder: Path, on_stale: OnStale | None = None) -> Storage:
    """Return the database that the environment names, else the journal in ``folder``, made where there is none.

    ``on_stale`` is called with each trial whose worker on another machine has gone silent, when it has been ended.
    Raises SearchError where the address is none of PostgreSQL, or the database does not answer.
    """
    logging.getLogger("optuna").setLevel(logging.WARNING)
    url = os.environ.get(VARIABLE)
    return _database(url, on_stale) if url else _journal(folder)


def has_storage(folder: Path) -> bool:
    """Return whether there is anything to look into: opening a journal makes its file."""
    return bool(os.environ.get(VARIABLE)) or (folder / JOURNAL).is_file()


def _journal(folder: Path) -> Storage:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / JOURNAL
    lock = _KernelLock(file)
    _mend(file, lock)

    @contextmanager
    def locked(name: str) -> Iterator[None]:
        with FileLock(folder / f"{name}.lock"):
            yield

    @contextmanager
    def held(name: str) -> Iterator[bool]:
        lock = FileLock(folder / f"{name}.lock", blocking=False)
        try:
            lock.acquire()
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    return Storage(JournalStorage(JournalFileBackend(str(file), lock_obj=lock)), locked, held)


class _KernelLock(BaseJournalFileLock):  # type: ignore[misc]
    """The journal's lock, which ends with its process; Optuna's own is a file, which a kill leaves behind for 30 s."""

    def __init__(self, file: Path) -> None:
        self._lock = FileLock(file.with_name(f"{file.name}.lock"))

    def acquire(self) -> bool:
        """Wait for the lock."""
        self._lock.acquire()
        return True

    def release(self) -> None:
        """Let the lock go."""
        self._lock.release()


def _mend(file: Path, lock: _KernelLock) -> None:
    """Cut off what a loss of power has left of a last line: the next line would be written on to it."""
    lock.acquire()
    try:
        if file.is_file() and not _ends_with_a_line(file):
            os.truncate(file, file.read_bytes().rfind(b"\n") + 1)
    finally:
        lock.release()


def _ends_with_a_line(file: Path) -> bool:
    with file.open("rb") as stream:
        if not stream.seek(0, os.SEEK_END):
            return True
        stream.seek(-1, os.SEEK_END)
        return stream.read() == b"\n"


def _database(address: str, on_stale: OnStale | None) -> Storage:
    url = _url(address)
    engine = create_engine(url, poolclass=NullPool)

    @contextmanager
    def locked(name: str) -> Iterator[None]:
        # Of the transaction and not of the session: it holds behind a proxy that shares connections, too.
        with engine.begin() as connection:
            connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _key(name)})
            yield

    @contextmanager
    def held(name: str) -> Iterator[bool]:
        # For long, and no transaction is to stay open for long.
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            yield connection.execute(text("select pg_try_advisory_lock(:key)"), {"key": _key(name)}).scalar_one()

    try:
        with locked("tables"), experimental():
            studies = RDBStorage(
                url.render_as_string(hide_password=False),
                engine_kwargs={"pool_pre_ping": True},
                heartbeat_interval=HEARTBEAT_SEC,
                grace_period=GRACE_SEC,
                heartbeat_stale_trial_callback=on_stale,
            )
    except (SQLAlchemyError, ImportError) as error:
        raise SearchError(
            f"{VARIABLE} names {url.render_as_string()}, which does not answer ({first_line(error)}); see that it "
            "runs, or correct the variable"
        ) from error
    return Storage(studies, locked, held, f"{url.host}:{url.port or 5432}/{url.database}")


def _url(address: str) -> URL:
    try:
        url = make_url(address)
    except ArgumentError:
        url = URL.create("none")
    if url.get_backend_name() != "postgresql":
        raise SearchError(
            f"{VARIABLE} must be the address of a PostgreSQL database, such as postgresql://user:password@host/name, "
            f"and begins with {address.partition(':')[0]!r}; without it the study is a file in .varml/"
        )
    return url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url


def _key(name: str) -> int:
    """Return the 63 bits by which PostgreSQL knows a lock."""
    return int.from_bytes(blake2b(f"varml {name}".encode(), digest_size=8).digest(), "big") >> 1
