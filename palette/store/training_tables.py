"""Training sets written to tables and files: a method of FeatureStore."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from dsl.row_mappings import check_frame
from palette.catalog import named_columns
from palette.catalog.models.names import MODEL
from palette.errors import ArgumentError, DataError, DefinitionError
from palette.lazy_imports import require_spark
from palette.session import active_session
from palette.store.training_sets import TrainingMethods, group_versions, join_features

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from palette.offline.training.reports import JobResult, WriteProgress

__all__ = ["TrainingTableMethods", "check_pinning"]


class TrainingTableMethods(TrainingMethods):
    """Methods of FeatureStore that write training sets (mixin)."""

    def write_training_set(
        self,
        basis: DataFrame | str,
        features: Mapping[str, str] | Sequence[str],
        target: str,
        *,
        timestamp: str | None = None,
        point_in_time: str = "event",
        version: Mapping[str, int] | int | None = None,
        hint: str | None = None,
        status: bool = False,
        mode: str = "error",
        pin: str | None = None,
        cluster_by: Sequence[str] | str = (),
        chunks: int | None = None,
        progress: Callable[[WriteProgress], Any] | None = None,
    ) -> JobResult:
        """Write the training set of a basis straight to a table or file; see :meth:`training_set`.

        Parameters
        ----------
        basis : DataFrame or str
            The rows to which features are added, or the table or path of them: a file (``.parquet``, ``.orc``,
            ``.json``, ``.csv``), ``FORMAT:PATH``, the directory of a Delta table, or ``table:NAME``.
        features, timestamp, point_in_time, version, hint, status
            As for :meth:`training_set`.
        target : str
            A file with such an ending, ``FORMAT:PATH``, a path without an ending, which becomes the directory of a
            Delta table, or ``table:NAME``, a Delta table of the session's catalog.
        mode : {"error", "append", "overwrite"}
            What to do with existing rows at the target.
        pin : str, optional
            Name under which the table versions are pinned, so that :meth:`vacuum` spares them: once the rows are
            written, with ``chunks`` before the first one is; :meth:`release` unpins them.
        cluster_by : sequence of str, optional
            Up to four columns of the training set by which the Delta table is clustered (liquid clustering); its
            files are rewritten once after all rows are written (``OPTIMIZE``), since Delta clusters them only there.
        chunks : int, optional
            Writes the rows in so many commits of the Delta table. The same call, made again after the process was
            killed, writes those that are missing. All chunks read the same versions of the groups, and of a
            basis that is the name or path of a Delta table; other bases are read once more at first, and it is an
            error if their rows change. Each chunk reads the basis. Without it, all rows are written in one commit.
        progress : callable, optional
            Called with a :class:`palette.offline.training.reports.WriteProgress` when each chunk begins, and at the
            end.

        Returns
        -------
        JobResult
            Number of rows, columns, versions that were read, share of missing values of each feature; of all chunks,
            those of earlier calls included.

        Raises
        ------
        PaletteError
            If an argument is invalid or unknown; nothing is written then. With ``chunks`` an
            :class:`palette.errors.ArgumentError` also if the table has chunks of a call with other arguments.

        Examples
        --------
        >>> import tempfile
        >>> from palette import Entity, Feature, FeatureGroup, FeatureStore, spark_session
        >>> spark = spark_session(master="local[1]")
        >>> home = tempfile.mkdtemp()
        >>> store = FeatureStore(home)
        >>> menu = FeatureGroup("menu", entity="restaurant", timestamp="at", features=[Feature("dishes", "bigint")])
        >>> store.apply(Entity("restaurant", keys={"id": "string"}), menu)
        >>> _ = store.write(menu, spark.sql("SELECT 'r1' AS id, TIMESTAMP '2026-03-01' AS at, 40 AS dishes"))
        >>> orders = spark.sql("SELECT r_id, TIMESTAMP '2026-03-02' AS at FROM VALUES ('r1'), ('r2') AS t(r_id)")
        >>> written = store.write_training_set(
        ...     orders, {"n": "restaurant:menu:dishes:r_id"}, f"{home}/training", timestamp="at", chunks=2)
        >>> written.rows, written.versions, written.missing
        (2, {'restaurant:menu': 0}, {'restaurant:menu:dishes:r_id': 0.5})
        """
        require_spark()
        from palette.offline.files.dataframes import check_mode, parse_location
        from palette.offline.files.endpoints import check_layout
        from palette.offline.join.latest_values import untimed_groups, warn_latest_values
        from palette.offline.join.validate import check_join
        from palette.offline.training.basis import basis_types, read_basis
        from palette.offline.training.call import describe_call, training_types
        from palette.offline.training.write import TrainingTable

        if not isinstance(basis, str):
            check_frame(basis, "basis", DataError)
            if basis.isStreaming:
                raise ArgumentError("basis is a stream: write each micro-batch, basis.writeStream.foreachBatch(write)")
        cluster_by = (cluster_by,) if isinstance(cluster_by, str) else tuple(cluster_by)
        check_mode(parse_location(target, new=True)[0], target, mode)
        check_layout(target, cluster_by, chunks)
        lookups = self.lookups(features)
        numbers = group_versions(self, lookups, version)
        check_pinning(self, features, numbers, pin)
        spark = active_session() if isinstance(basis, str) else basis.sparkSession

        def join(rows: DataFrame, versions: Mapping[str, int] | None, now: int | None) -> DataFrame:
            return join_features(
                self,
                rows,
                lookups,
                timestamp=timestamp,
                point_in_time=point_in_time,
                version=numbers if versions is None else versions,
                hint=hint,
                status=status,
                now=now,
            )

        columns = named_columns(features, self.group)
        arguments = {
            "features": columns,
            "timestamp": timestamp,
            "point_in_time": point_in_time,
            "version": numbers,
            "status": status,
            "mode": mode,
            "cluster_by": cluster_by,
            "chunks": chunks,
        }
        rows = read_basis(spark, basis, basis_types(lookups, timestamp))
        # Raises before rows are read.
        check_join(rows.schema, lookups, timestamp=timestamp, point_in_time=point_in_time, status=status)
        table = TrainingTable(
            spark=spark,
            source=basis,
            rows=rows,
            join=join,
            types=training_types(rows, lookups, status=status),
            features=columns,
            target=target,
            mode=mode,
            cluster_by=cluster_by,
            call=partial(describe_call, spark, self.tables, lookups, arguments),
            keep=lambda versions: None if pin is None else self.keep(pin, versions),
            progress=progress or (lambda _: None),
        )
        warn_latest_values(untimed_groups(lookups, timestamp), "timestamp= (--timestamp)", stacklevel=2)
        return replace(table.write() if chunks is None else table.write_chunks(chunks), pin=pin)


def check_pinning(
    store: TrainingMethods,
    features: Mapping[str, str] | Sequence[str],
    version: Mapping[str, int] | None = None,
    pin: str | None = None,
) -> None:
    """Validate that versions belong to requested groups, and the name of a pin; needs no session.

    Raises
    ------
    DefinitionError
        If one is invalid.
    FeatureNotFoundError
        If a name is not in the catalog.
    """
    requested = {lookup.group.full_name for lookup in store.lookups(features)}
    for group in version or {}:
        if (name := store.group(group).full_name) not in requested:
            raise DefinitionError(
                f"version given for group {name}, but no feature of it is requested (requested: {', '.join(requested)})"
            )
    if pin is not None and (not pin.strip() or not pin.isprintable() or pin.startswith(MODEL)):
        raise DefinitionError(f"invalid pin name {pin!r}: it must not be empty, or start with {MODEL!r} (reserved)")
