"""LMDB as online store: one file, many processes of one machine."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from palette.definitions import FeatureGroup
from palette.errors import DefinitionError, StoreError, StoreTimeoutError
from palette.online.codec.byte_store import IDENTITY, CodedStore, Shelf
from palette.online.codec.codec import is_deletion
from palette.online.codec.keys import KeySet, is_absent
from palette.online.remote import Definitions, Request, Row, newest
from palette.online.table import GroupTable
from palette.paths import local_path
from palette.times import resolve_now

__all__ = ["LmdbStore"]

NOTES = b"#schemas/"
HASHED = b"##"
READERS = 1022
# LMDB itself takes no longer keys; what is longer goes by its hash.
LONGEST = 511
CHUNK = 10_000


class LmdbStore(CodedStore):
    """The newest row of every key, in a file that processes of one machine share.

    A read never waits, not for writers either; writers wait for each other. What was written survives a crash.

    Parameters
    ----------
    path : str or Path
        A directory, made if absent; on a local disk, never on a network file system.
    definitions : callable
        Returns the entity and the feature group of a full name ``entity:group``.
    size : int
        Bytes that the store may grow to; the file takes only what is used.
    readonly : bool
        Open without the right to write; the store must exist.

    Raises
    ------
    DefinitionError
        If lmdb is not installed.

    Examples
    --------
    >>> import tempfile
    >>> from palette.definitions import Entity, Feature
    >>> menu = FeatureGroup("menu", entity="restaurant", features=[Feature("dishes", "bigint")])
    >>> known = {"restaurant:menu": (Entity("restaurant", keys={"id": "string"}), menu)}
    >>> with tempfile.TemporaryDirectory() as path:
    ...     store = LmdbStore(path, known.__getitem__)
    ...     _ = store.write(menu, [{"id": "r1", "dishes": 40}])
    ...     print(store.read({"restaurant:menu": ["r1", "r2"]}))
    ...     store.close()
    {'restaurant:menu': [{'dishes': 40}, {'dishes': None}]}
    """

    def __init__(
        self, path: str | Path, definitions: Definitions, *, size: int = 1 << 36, readonly: bool = False
    ) -> None:
        super().__init__(definitions)
        self._path = local_path(path, "an LMDB store", "name a directory of this machine")
        self._size = size
        self._readonly = readonly
        self._lmdb = _library()
        self._opened: _Environment | None = None

    def __repr__(self) -> str:
        return f"LmdbStore({str(self._path)!r})"

    def close(self) -> None:
        """Close the file, unless another store of this process has it open."""
        self._opened = None

    @property
    def _file(self) -> Any:
        opened = self._opened
        if opened is None or opened.process != os.getpid():  # a file must not be used across a fork
            opened = self._opened = _Environment.of(self._path, self._size, readonly=self._readonly)
        return opened.handle

    @contextmanager
    def _transaction(self, *, write: bool = False) -> Iterator[Any]:
        try:
            with self._file.begin(write=write) as transaction:
                yield transaction
        except self._lmdb.MapFullError as error:
            raise StoreError(f"{self!r} is full: open it with size= above {self._size:,} bytes") from error
        except (self._lmdb.ReadonlyError, self._lmdb.LockError) as error:
            raise StoreError(f"{self!r} cannot be written: {error}; open it without readonly=") from error
        except (self._lmdb.Error, OSError) as error:
            if isinstance(error, StoreError):
                raise
            raise StoreError(
                f"{self!r} cannot be opened or read: {error}; is it a directory of an LMDB store?"
            ) from error

    # --- reading

    def fetch(self, requests: Sequence[Request], budget: float | None = None) -> list[Row | None]:
        """Return packed rows as they were at one moment; see :meth:`palette.online.RemoteReader.fetch`."""
        if budget is not None and budget <= 0:
            raise StoreTimeoutError(f"{self!r}: no time was left to ask it")
        shelves = self._shelves
        rows: list[Row | None] = [None] * len(requests)
        found: list[tuple[int, Shelf, bytes]] = []
        with self._transaction() as transaction:
            for at, (group, key) in enumerate(requests):
                if is_absent(key):
                    continue
                shelf = shelves.get(group) or self._shelf(group)
                data = transaction.get(_place(shelf, key))
                if data is not None:
                    found.append((at, shelf, data))
        for at, shelf, data in found:
            rows[at] = self._row(shelf, data)
        return rows

    async def fetch_async(self, requests: Sequence[Request], budget: float | None = None) -> list[Row | None]:
        """Do as :meth:`fetch` does; it takes microseconds, less than another thread would."""
        return self.fetch(requests, budget)

    def _identity(self, *, make: bool) -> str | None:
        if not make and not (self._path / "data.mdb").exists():
            return None  # only asked: nothing is made
        with self._transaction(write=make) as transaction:
            if make:
                transaction.put(IDENTITY, os.urandom(16).hex().encode(), overwrite=False)
            identity = transaction.get(IDENTITY)
        return None if identity is None else identity.decode()

    def _note(self, group: str, fingerprint: bytes) -> str | None:
        with self._transaction() as transaction:
            text = transaction.get(_note_place(group, fingerprint))
        return None if text is None else text.decode()

    # --- writing

    def put(self, group: str, packed: Iterable[tuple[Any, Row]], *, settled: bool = False) -> int:
        """Put packed rows in transactions of ten thousand; see :meth:`palette.online.RemoteReader.put`."""
        return self._keep(self._shelf(group), packed, settled=settled)

    def _put(self, table: GroupTable, packed: Iterable[tuple[Any, Row]], *, settled: bool) -> int:
        return self._keep(self._shelf_for(table), packed, settled=settled)

    def _keep(self, shelf: Shelf, packed: Iterable[tuple[Any, Row]], *, settled: bool) -> int:
        encode = shelf.codec.encode
        rows = [(_place(shelf, key), encode(row), row) for key, row in newest(packed, settled=settled).items()]
        return sum(self._write(shelf, chunk, settled=settled) for chunk in _chunks(rows))

    def replace(self, group: str, packed: Iterable[tuple[Any, Row]]) -> int:
        """Put packed rows whatever is known of their keys; see :meth:`palette.online.RemoteReader.replace`."""
        shelf = self._shelf(group)
        encode = shelf.codec.encode
        rows = [(_place(shelf, key), encode(row)) for key, row in dict(packed).items()]
        for chunk in _chunks(rows):
            with self._transaction(write=True) as transaction:
                self._put_note(transaction, shelf)
                for place, data in chunk:
                    transaction.put(place, data)
        return len(rows)

    def retain(self, group: str, keys: Iterable[Any]) -> int:
        """Remove the rows of all other keys; see :meth:`palette.online.RemoteReader.retain`."""
        shelf = self._shelf_for(self.table(group))
        kept = KeySet(_place(shelf, key) for key in keys)
        with self._transaction() as transaction:
            others = [found for found in self._rows_of(transaction, shelf) if found[0] not in kept]
        gone = 0
        for chunk in _chunks(others):
            with self._transaction(write=True) as transaction:
                # What was written meanwhile stays.
                gone += sum(transaction.get(place) == data and transaction.delete(place) for place, data in chunk)
        return gone

    def _rows_of(self, transaction: Any, shelf: Shelf) -> Iterator[tuple[bytes, bytes]]:
        """Yield places and bytes of all rows of a group; those of long keys are known by their schema."""
        group = shelf.schema.group
        notes = NOTES + group.encode() + b"/"
        schemas = {place[len(notes) :] for place, _ in _scanned(transaction, notes)}
        for place, data in _scanned(transaction, group.encode() + b"/"):
            if not is_deletion(data):
                yield place, data
        for place, data in _scanned(transaction, HASHED):
            if data[2:8] in schemas and not is_deletion(data):
                yield place, data

    def _put_note(self, transaction: Any, shelf: Shelf) -> None:
        schema = shelf.schema
        transaction.put(_note_place(schema.group, schema.fingerprint), schema.text.encode(), overwrite=False)

    def delete(self, group: str | FeatureGroup, keys: Iterable[Any], at: dt.datetime | None = None) -> int:
        """Delete what is known of keys up to a moment; see :meth:`palette.online.RemoteReader.delete`."""
        name = group.full_name if isinstance(group, FeatureGroup) else group
        table, moment = self.table(name), resolve_now(at)
        shelf = self._shelf_for(table)
        found = dict.fromkeys(table.asked(keys))
        places = [_place(shelf, key) for key in found if not is_absent(key)]
        if shelf.schema.as_they_come:
            with self._transaction(write=True) as transaction:
                return sum(transaction.delete(place) for place in places)
        tombstone = shelf.codec.tombstone(moment)
        return sum(self._write(shelf, chunk) for chunk in _chunks([(place, tombstone, moment) for place in places]))

    def _write(self, shelf: Shelf, rows: Sequence[tuple[bytes, bytes, Row | int]], *, settled: bool = False) -> int:
        """Write values that win over what is there; count rows that were taken, or are gone."""
        taken = 0
        with self._transaction(write=True) as transaction:
            self._put_note(transaction, shelf)
            for place, data, new in rows:
                old = transaction.get(place)
                if old is None or (old != data and self._wins(shelf, new, old, settled=settled)):
                    transaction.put(place, data)
                    taken += not isinstance(new, int) or (old is not None and self._row(shelf, old) is not None)
        return taken


class _Environment:
    """A file that is open in this process: LMDB allows it once, so all stores of the process share it."""

    _open: ClassVar[weakref.WeakValueDictionary[tuple[int, str], _Environment]] = weakref.WeakValueDictionary()
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, path: Path, size: int, *, readonly: bool) -> None:
        lmdb = _library()
        try:
            if not readonly:
                path.mkdir(parents=True, exist_ok=True)
            self.handle = lmdb.open(
                str(path), map_size=size, readonly=readonly, create=not readonly, max_readers=READERS, max_spare_txns=16
            )
            self.handle.reader_check()  # readers that died no longer hold old pages
        except (lmdb.Error, OSError) as error:
            raise StoreError(f"LmdbStore({str(path)!r}) cannot be opened: {error}") from error
        self.process = os.getpid()

    @classmethod
    def of(cls, path: Path, size: int, *, readonly: bool) -> _Environment:
        """Return the open file at a path."""
        key = (os.getpid(), str(path.resolve()))
        with cls._lock:
            for process, place in list(cls._open):
                if place == key[1] and process != key[0]:
                    cls._open[process, place].handle.close()  # after a fork: it is the parent's
                    del cls._open[process, place]
            found = cls._open.get(key)
            if found is None:
                found = cls._open[key] = cls(path, size, readonly=readonly)
            return found


def _library() -> Any:
    try:
        import lmdb
    except ImportError as error:
        raise DefinitionError("an LMDB store needs pip install 'palette-features[lmdb]'") from error
    return lmdb


def _place(shelf: Shelf, key: Any) -> bytes:
    place = shelf.schema.group.encode() + b"/" + shelf.encode_key(key)
    return place if len(place) <= LONGEST else _hashed(place)


def _note_place(group: str, fingerprint: bytes) -> bytes:
    place = NOTES + group.encode() + b"/" + fingerprint
    return place if len(place) <= LONGEST else _hashed(place)


def _scanned(transaction: Any, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield what is kept under places that begin so."""
    with transaction.cursor() as cursor:
        if cursor.set_range(prefix):
            for place, data in cursor:
                if not place.startswith(prefix):
                    return
                yield place, data


def _hashed(place: bytes) -> bytes:
    return HASHED + hashlib.blake2b(place, digest_size=32).digest()


def _chunks(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(rows), CHUNK):
        yield rows[start : start + CHUNK]
