"""A frozen copy of the newest rows, to score from without Spark."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palette.atomic_directory import replace_directory
from palette.definitions import Entity, FeatureGroup, GroupSchema, arrow_type
from palette.definitions.yaml.documents import from_plain, to_plain
from palette.errors import DataError, PaletteError, SnapshotError, nearest
from palette.online.layout import Row
from palette.online.local import LocalReader, LocalTable
from palette.online.snapshot.mmap_table import MappedTable, write_mapped
from palette.online.table import GroupTable
from palette.paths import COPY_HERE, COPY_THERE, local_path
from palette.times import to_datetime, to_micros, utc

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Snapshot", "from_arrow"]

FORMAT = 1
META = "snapshot.json"
EVENT, CREATED = "__event", "__created"
# Errors of reading something that is not a snapshot.
BROKEN = (OSError, ArithmeticError, LookupError, RecursionError, TypeError, ValueError)


class Snapshot(LocalReader):
    """Per group and key the row that the point-in-time rule picks for one point in time, before ttl.

    Made by :meth:`palette.FeatureStore.snapshot`; used by ``score_instance`` and
    :class:`palette.serving.LocalPipeline`; needs no Spark.

    Parameters
    ----------
    tables : iterable of GroupTable or MappedTable
        One a feature group.
    at : datetime
        The time; naive is UTC. Reads at an earlier ``now`` are errors.

    Examples
    --------
    >>> from palette.definitions import Feature
    >>> menu = FeatureGroup("menu", entity="restaurant", features=[Feature("dishes", "bigint")])
    >>> table = GroupTable(GroupSchema(Entity("restaurant", keys={"id": "string"}), menu))
    >>> _ = table.put([table.pack({"id": "r1", "dishes": 40}, stamp=0)])
    >>> snapshot = Snapshot([table], at=dt.datetime(2026, 1, 1))
    >>> snapshot.read({"restaurant:menu": ["r1", "r2"]}, now=dt.datetime(2026, 1, 2))
    {'restaurant:menu': [{'dishes': 40}, {'dishes': None}]}
    """

    def __init__(self, tables: Iterable[LocalTable], at: dt.datetime) -> None:
        super().__init__(lambda group: (self.table(group).entity, self.table(group).group))
        self._tables = {table.name: table for table in tables}
        self.at = to_micros(utc(at))
        # The path that it was loaded from, and whether it is mapped.
        self._source: tuple[str, bool] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the path that it was loaded from, not the rows."""
        if self._source is None:
            raise DataError(
                "a Snapshot that was made in this process cannot be sent to another: call snapshot.save(path) here, "
                "and Snapshot.load(path) in the worker"
            )
        return _loaded, self._source

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name}: {len(table):,}" for name, table in self._tables.items())
        return f"Snapshot(at={self.time.isoformat()}Z, {sizes})"

    @property
    def time(self) -> dt.datetime:
        """The time of the snapshot, naive UTC."""
        assert self.at is not None
        return to_datetime(self.at)

    @property
    def groups(self) -> tuple[str, ...]:
        """Full names of the feature groups in it."""
        return tuple(self._tables)

    def table(self, group: str) -> LocalTable:
        """Return the table of a feature group.

        Raises
        ------
        SnapshotError
            If the snapshot was taken without it.
        """
        try:
            return self._tables[group]
        except KeyError:
            known = sorted(self._tables)
            raise SnapshotError(
                f"the snapshot has no group {group!r}{nearest(group, known)} (it has {', '.join(known) or 'none'}); "
                f"take it with store.snapshot(groups=[..., {group!r}])"
            ) from None

    def save(self, path: str | Path, *, memory_map: bool = False) -> None:
        """Write the snapshot as a directory of Arrow files and one JSON file; an older one there is replaced.

        Parameters
        ----------
        path : str or Path
            A local directory, or its ``file:`` URI.
        memory_map : bool
            Whether it can be loaded with ``memory_map=True``; takes about as much disk again.

        Raises
        ------
        DataError
            If ``path`` exists and is not a snapshot.
        DefinitionError
            If the path is not local.
        """
        import pyarrow as pa

        with replace_directory(local_path(path, "a snapshot", COPY_THERE), META) as fresh:
            entries: list[dict[str, Any]] = []
            for number, table in enumerate(self._tables.values()):
                file = f"{number:04d}.arrow"
                rows = _to_arrow(table)
                with pa.OSFile(str(fresh / file), "wb") as sink, pa.ipc.new_file(sink, rows.schema) as writer:
                    writer.write_table(rows)
                entity, group = to_plain(table.entity), to_plain(table.group)
                entries.append({"entity": entity, "group": group, "file": file, "rows": len(table)})
                if memory_map:
                    entries[-1]["mapped"] = f"{number:04d}.rows"
                    write_mapped(table, str(fresh / entries[-1]["mapped"]))
            meta = {"format": FORMAT, "at": self.time.isoformat(), "groups": entries}
            (fresh / META).write_text(json.dumps(meta, indent=1, allow_nan=False), "utf-8")

    @classmethod
    def load(cls, path: str | Path, *, memory_map: bool = False) -> Snapshot:
        """Read a saved snapshot.

        Parameters
        ----------
        path : str or Path
            The directory.
        memory_map : bool
            Leaves the rows in the files, so that it is loaded at once and many processes share one copy; a read takes
            a few microseconds more. The snapshot must have been saved so.

        Raises
        ------
        SnapshotError
            If there is none, it is damaged, or a newer release wrote it.
        """
        import pyarrow as pa

        path = local_path(path, "a snapshot", COPY_HERE)
        try:
            meta = json.loads((path / META).read_text("utf-8"))
            if meta["format"] != FORMAT:
                raise SnapshotError(f"{str(path)!r} has format {meta['format']}; this release reads {FORMAT}")
            tables: list[LocalTable] = []
            for entry in meta["groups"]:
                entity, group = from_plain(entry["entity"], "entities"), from_plain(entry["group"], "feature_groups")
                if not isinstance(entity, Entity) or not isinstance(group, FeatureGroup):
                    raise SnapshotError(f"{str(path)!r}: expected an entity and a feature group for each table")
                schema = GroupSchema(entity, group)
                if memory_map:
                    if "mapped" not in entry:
                        raise SnapshotError(f"{str(path)!r} cannot be mapped: save the snapshot with memory_map=True")
                    tables.append(MappedTable(schema, str(path / Path(entry["mapped"]).name)))
                else:
                    with pa.memory_map(str(path / Path(entry["file"]).name)) as source:
                        rows = pa.ipc.open_file(source).read_all()
                    # Offsets of a damaged file may point anywhere in memory.
                    rows.validate(full=True)
                    if not rows.schema.equals(_arrow_schema(schema)):
                        raise SnapshotError(f"{str(path)!r}: {schema.name} is damaged: its columns are others")
                    tables.append(from_arrow(schema, rows))
                if len(tables[-1]) != entry["rows"]:
                    raise SnapshotError(f"{str(path)!r}: {group.full_name} is damaged: rows are missing")
            snapshot = cls(tables, dt.datetime.fromisoformat(meta["at"]))
        except PaletteError:
            raise
        except (*BROKEN, pa.ArrowException) as error:
            raise SnapshotError(f"no complete snapshot at {str(path)!r}: {error}") from error
        snapshot._source = str(path.absolute()), memory_map
        return snapshot

    @staticmethod
    def is_mapped(path: str | Path) -> bool:
        """Return whether a saved snapshot can be loaded with ``memory_map=True``."""
        path = local_path(path, "a snapshot", COPY_HERE)
        try:
            meta = json.loads((path / META).read_text("utf-8"))
            return all("mapped" in entry for entry in meta["groups"])
        except BROKEN as error:
            raise SnapshotError(f"no complete snapshot at {str(path)!r}: {error}") from error


def _loaded(path: str, memory_map: bool) -> Snapshot:
    """Load a snapshot that was sent to this process."""
    return Snapshot.load(path, memory_map=memory_map)


def from_arrow(schema: GroupSchema, rows: pa.Table) -> GroupTable:
    """Return a table from Arrow columns: keys, ``__event`` and ``__created`` in microseconds, features."""
    table = GroupTable(schema)
    table.put(pack_arrow(schema, rows))
    return table


def pack_arrow(schema: GroupSchema, rows: pa.Table | pa.RecordBatch) -> Iterator[tuple[Any, Row]]:
    """Return (key, packed row) of the Arrow columns of :func:`from_arrow`."""
    columns = [_plain(rows.column(name), f"{schema.name}: {name!r}") for name in (EVENT, CREATED, *schema.features)]
    return zip(pack_arrow_keys(schema.entity, rows), zip(*columns, strict=True), strict=True)


def pack_arrow_keys(entity: Entity, rows: pa.Table | pa.RecordBatch) -> list[Any]:
    """Return the keys of Arrow columns that are called like the entity's."""
    columns = [_plain(rows.column(name), f"{entity.name}: key {name!r}") for name in entity.keys]
    return columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))


def _plain(column: pa.ChunkedArray | pa.Array, what: str) -> list[Any]:
    """Return plain Python values: timestamps as naive UTC datetimes."""
    import pyarrow as pa

    if pa.types.is_timestamp(column.type):
        try:
            # Arrow's own conversion attaches a zone, and costs more.
            return [None if value is None else to_datetime(value) for value in column.cast(pa.int64()).to_pylist()]
        except OverflowError as error:
            raise DataError(
                f"{what} has a time outside of the years 1 to 9999, which Python's datetime cannot hold: make it null, "
                "or an earlier one, in the query"
            ) from error
    return list(column.to_pylist())


def _arrow_schema(schema: GroupSchema) -> pa.Schema:
    import pyarrow as pa

    fields = [(name, arrow_type(dtype)) for name, dtype in schema.keys.items()]
    fields += [(EVENT, pa.int64()), (CREATED, pa.int64())]
    fields += [(name, arrow_type(dtype)) for name, dtype in schema.features.items()]
    return pa.schema(fields)


def _to_arrow(table: LocalTable) -> pa.Table:
    import pyarrow as pa

    items = list(table)
    composite = len(table.entity.keys) > 1
    rows = [((*key, *row) if composite else (key, *row)) for key, row in items]
    schema = _arrow_schema(table.schema)
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    arrays = [pa.array(list(values), field.type) for values, field in zip(columns, schema, strict=True)]
    return pa.table(arrays, schema=schema)
