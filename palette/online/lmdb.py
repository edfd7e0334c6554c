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
from palette.online.codec.byte_store import IDENTITY, ByteStore, GroupCodec
from palette.online.codec.codec import is_deletion
from palette.online.codec.keys import KeySet, is_absent
from palette.online.defined_groups import Definitions
from palette.online.layout import Request, Row
from palette.online.order import newest
from palette.paths import local_path
from palette.times import resolve_now

__all__ = ["LmdbStore"]

SCHEMAS = b"#schemas/"
HASHED = b"##"
READERS = 1022
# LMDB accepts no longer keys; longer ones are hashed.
LONGEST = 511
CHUNK = 10_000


class LmdbStore(ByteStore):
    """The newest row of every key, in a file that processes of one machine share.

    A read never waits, not for writers either; writers wait for each other. Written rows survive a crash.

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
        """Return packed rows of one point in time; see :meth:`palette.online.FeatureReader.fetch`."""
        if budget is not None and budget <= 0:
            raise StoreTimeoutError(f"{self!r}: no time was left to read it")
        codecs = self._codecs
        rows: list[Row | None] = [None] * len(requests)
        stored: list[tuple[int, GroupCodec, bytes]] = []
        with self._transaction() as transaction:
            for index, (group, key) in enumerate(requests):
                if is_absent(key):
                    continue
                codec = codecs.get(group) or self._codec(group)
                data = transaction.get(_row_key(codec, key))
                if data is not None:
                    stored.append((index, codec, data))
        for index, codec, data in stored:
            rows[index] = self._row(codec, data)
        return rows

    async def fetch_async(self, requests: Sequence[Request], budget: float | None = None) -> list[Row | None]:
        """Return what :meth:`fetch` returns; it takes microseconds, less than another thread would."""
        return self.fetch(requests, budget)

    def _own_name(self, *, make: bool) -> str | None:
        if not make and not (self._path / "data.mdb").exists():
            return None  # a question creates no store
        with self._transaction(write=make) as transaction:
            if make:
                transaction.put(IDENTITY, os.urandom(16).hex().encode(), overwrite=False)
            name = transaction.get(IDENTITY)
        return None if name is None else name.decode()

    def _schema_record(self, group: str, fingerprint: bytes) -> str | None:
        with self._transaction() as transaction:
            record = transaction.get(_schema_key(group, fingerprint))
        return None if record is None else record.decode()

    # --- writing

    def _put(self, codec: GroupCodec, packed: Iterable[tuple[Any, Row]], *, resolved: bool) -> int:
        encode = codec.rows.encode
        rows = [(_row_key(codec, key), encode(row), row) for key, row in newest(packed, resolved=resolved).items()]
        return sum(self._write(codec, chunk, resolved=resolved) for chunk in _chunks(rows))

    def replace(self, group: str, packed: Iterable[tuple[Any, Row]]) -> int:
        """Put packed rows over whatever is known of their keys; see :meth:`palette.online.OnlineStore.replace`."""
        codec = self._codec(group)
        encode = codec.rows.encode
        rows = [(_row_key(codec, key), encode(row)) for key, row in dict(packed).items()]
        for chunk in _chunks(rows):
            with self._transaction(write=True) as transaction:
                self._record_schema(transaction, codec)
                for row_key, data in chunk:
                    transaction.put(row_key, data)
        return len(rows)

    def retain(self, group: str, keys: Iterable[Any]) -> int:
        """Remove the rows of all other keys; see :meth:`palette.online.OnlineStore.retain`."""
        codec = self._codec_for(self.layout(group))
        retained = KeySet(_row_key(codec, key) for key in keys)
        with self._transaction() as transaction:
            others = [item for item in self._scan_rows(transaction, codec) if item[0] not in retained]
        removed = 0
        for chunk in _chunks(others):
            with self._transaction(write=True) as transaction:
                # Rows that were written meanwhile stay.
                removed += sum(transaction.get(key) == data and transaction.delete(key) for key, data in chunk)
        return removed

    def _scan_rows(self, transaction: Any, codec: GroupCodec) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and bytes of all rows of a group; rows with hashed keys are known by their schema."""
        group = codec.stored.group
        prefix = SCHEMAS + group.encode() + b"/"
        schemas = {key[len(prefix) :] for key, _ in _scan(transaction, prefix)}
        for key, data in _scan(transaction, group.encode() + b"/"):
            if not is_deletion(data):
                yield key, data
        for key, data in _scan(transaction, HASHED):
            if data[2:8] in schemas and not is_deletion(data):
                yield key, data

    def _record_schema(self, transaction: Any, codec: GroupCodec) -> None:
        stored = codec.stored
        transaction.put(_schema_key(stored.group, stored.fingerprint), stored.json.encode(), overwrite=False)

    def delete(self, group: str | FeatureGroup, keys: Iterable[Any], at: dt.datetime | None = None) -> int:
        """Delete what is known of keys up to a time; see :meth:`palette.online.OnlineStore.delete`."""
        name = group.full_name if isinstance(group, FeatureGroup) else group
        layout, deleted_at = self.layout(name), resolve_now(at)
        codec = self._codec_for(layout)
        distinct = dict.fromkeys(layout.lookup_keys(keys))
        row_keys = [_row_key(codec, key) for key in distinct if not is_absent(key)]
        if codec.stored.without_times:
            with self._transaction(write=True) as transaction:
                return sum(transaction.delete(row_key) for row_key in row_keys)
        tombstone = codec.rows.tombstone(deleted_at)
        rows = [(row_key, tombstone, deleted_at) for row_key in row_keys]
        return sum(self._write(codec, chunk) for chunk in _chunks(rows))

    def _write(
        self, codec: GroupCodec, rows: Sequence[tuple[bytes, bytes, Row | int]], *, resolved: bool = False
    ) -> int:
        """Write values that win over what is there; count rows that were written, or deleted."""
        count = 0
        with self._transaction(write=True) as transaction:
            self._record_schema(transaction, codec)
            for row_key, data, new in rows:
                old = transaction.get(row_key)
                if old is None or (old != data and self._wins(codec, new, old, resolved=resolved)):
                    transaction.put(row_key, data)
                    count += not isinstance(new, int) or (old is not None and self._row(codec, old) is not None)
        return count


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
            for other in list(cls._open):
                if other[1] == key[1] and other[0] != key[0]:
                    cls._open[other].handle.close()  # after a fork: it is the parent's
                    del cls._open[other]
            environment = cls._open.get(key)
            if environment is None:
                environment = cls._open[key] = cls(path, size, readonly=readonly)
            return environment


def _library() -> Any:
    try:
        import lmdb
    except ImportError as error:
        raise DefinitionError("an LMDB store needs pip install 'palette-features[lmdb]'") from error
    return lmdb


def _row_key(codec: GroupCodec, key: Any) -> bytes:
    return _shortened(codec.stored.group.encode() + b"/" + codec.encode_key(key))


def _schema_key(group: str, fingerprint: bytes) -> bytes:
    return _shortened(SCHEMAS + group.encode() + b"/" + fingerprint)


def _shortened(key: bytes) -> bytes:
    return key if len(key) <= LONGEST else HASHED + hashlib.blake2b(key, digest_size=32).digest()


def _scan(transaction: Any, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the items whose keys begin with a prefix."""
    with transaction.cursor() as cursor:
        if cursor.set_range(prefix):
            for key, data in cursor:
                if not key.startswith(prefix):
                    return
                yield key, data


def _chunks(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(rows), CHUNK):
        yield rows[start : start + CHUNK]
