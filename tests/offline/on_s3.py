"""Run by test_s3: histories in an object store, in one session of Spark; prints a line of JSON for each proof.

The first session, ``local``, prepares; the second, on executors of their own, finds what was prepared.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import traceback
from pathlib import Path
from typing import Any

HADOOP, SDK = "3.5.0", "2.35.4"
SETTINGS = {
    "spark.jars.packages": ",".join(
        [
            f"org.apache.hadoop:hadoop-aws:{HADOOP}",
            *(f"software.amazon.awssdk:{name}:{SDK}" for name in ("s3", "s3-transfer-manager", "sts")),
        ]
    ),
    # 600 MB, of which the three above are all that S3A needs.
    "spark.jars.excludes": "software.amazon.awssdk:bundle,org.wildfly.openssl:wildfly-openssl",
    "spark.hadoop.fs.s3a.path.style.access": "true",
    "spark.sql.shuffle.partitions": "2",
    "spark.driver.memory": "1g",
    "spark.log.level": "ERROR",
}
GROUP = "shop:sales"
PLANS: dict[str, dict[str, Any]] = {
    "broadcast": {"hint": "broadcast"},
    "partitioned": {"hint": "partitioned", "hot_rows": 40},
    "shuffle": {"hint": "shuffle"},
}


def main(where: str, home: str) -> None:
    sys.path[0] = str(Path(__file__).parents[2])
    from palette import Entity, Feature, FeatureGroup, FeatureStore, spark_session
    from palette.offline.prepared import partitions
    from tests.jvm import OPTIONS

    # Several parts and slices, of a few rows each.
    partitions.PART_BYTES = 1 << 12
    spark = spark_session(
        master=where,
        **SETTINGS,
        **{"spark.local.dir": f"{home}/scratch", "spark.executor.extraJavaOptions": OPTIONS},
    )
    stores = {}
    for name, tables in (("disk", f"{home}/tables"), ("objects", "s3a://proofs/tables")):
        Path(home, f"{name}.yaml").write_text(f"path: {home}/{name}\ntables: {tables}\n")
        stores[name] = FeatureStore.open(f"{home}/{name}.yaml")
        sales = FeatureGroup(
            "sales", entity="shop", timestamp="ts", ttl="9h", features=[Feature("x", "double"), Feature("s", "string")]
        )
        stores[name].apply(Entity("shop", keys={"id": "string"}), sales)
    proofs = Proofs(spark, stores, Path(home))
    for name in FIRST if where.startswith("local[") else SECOND:
        print(json.dumps({"proof": name, **outcome(getattr(proofs, name))}), flush=True)
    spark.stop()
    left = [str(path) for path in Path(home, "scratch").rglob("palette-objects")]
    print(json.dumps({"proof": "end", "answer": left}), flush=True)


def outcome(prove: Any) -> dict[str, Any]:
    try:
        return {"answer": prove()}
    except Exception:  # noqa: BLE001  reported by the test of this proof, and the others go on
        return {"error": traceback.format_exc()}


class Proofs:
    """Each returns what its test compares."""

    def __init__(self, spark: Any, stores: dict[str, Any], home: Path) -> None:
        self.spark = spark
        self.stores = stores
        self.home = home

    def plans(self) -> dict[str, Any]:
        """Return the rows that each plan answers, and whether they are those of a store on a disk."""
        rows = {name: self._answers("objects", name) for name in PLANS}
        expected = self._answers("disk", "partitioned")
        return {name: (len(answer), answer == expected) for name, answer in rows.items()}

    def write(self) -> int:
        """Return how many rows were written."""
        return self._append(0, 1200)

    def again(self) -> list[int]:
        """Return how many objects a preparation adds, and how many objects it needs."""
        before = self._names()
        return [len(self._prepare() - before), len(before)]

    def append(self) -> list[int]:
        """Return how many objects an append adds and removes, how many rows it adds, and whether the plans agree."""
        from palette.offline.delta.change_feed import rows_since

        before, since = self._names(), self._version().number
        self._append(10_000, 30)
        after = self._prepare()
        return [len(after - before), len(before - after), rows_since(self._version(), since).count(), *self._agree()]

    def update(self) -> list[bool]:
        """Return whether the plans agree after rows were rewritten."""
        for store in self.stores.values():
            table = store.tables.identifier(store.group(GROUP))
            self.spark.sql(f"UPDATE {table} SET x = x + 1 WHERE id = 'k3'").collect()
        return self._agree()

    def unseen(self) -> list[Any]:
        """Return what happens where this process does not reach the store, but Spark does."""
        from palette.errors import DataError
        from palette.offline.delta import log_files

        expected, store = self._answers("disk", "broadcast"), self.stores["objects"]
        before = os.environ["AWS_ENDPOINT_URL"]
        os.environ["AWS_ENDPOINT_URL"] = "http://127.0.0.1:1"
        try:
            basis, names = self._basis(), {"x": f"{GROUP}:x:who"}
            plans = [store.explain(basis, names, timestamp="at", hint=hint) for hint in ("broadcast", "shuffle")]
            agree = [self._answers("objects", plan) == expected for plan in PLANS]
            try:
                error = str(store.erase(GROUP, ["k1"]))
            except DataError as refused:
                error = str(refused)
            return [plans, agree, error]
        finally:
            os.environ["AWS_ENDPOINT_URL"] = before
            log_files._failed.clear()

    def explained(self) -> list[str]:
        """Return what is said of the plans."""
        store = self.stores["objects"]
        basis, names = self._basis(), {"x": f"{GROUP}:x:who"}
        return [store.explain(basis, names, timestamp="at", hint=hint) for hint in ("broadcast", "partitioned")]

    def absent(self) -> str:
        """Return the error of a look-up in a run that was deleted meanwhile."""
        from palette.offline.objects import delete_objects

        self._prepare()
        joined = self._join("objects", "partitioned")
        history = self._open()
        delete_objects(path for paths in history.runs.values() for path in paths)
        for folder in Path(self.home).rglob("palette-objects"):
            shutil.rmtree(folder)
        try:
            joined.collect()
        except Exception as error:  # noqa: BLE001  Spark's own
            return str(error)
        return "none"

    def repaired(self) -> list[bool]:
        """Return whether the next join prepares it again."""
        return self._agree()

    def vacuum(self) -> list[bool]:
        """Return whether only what belongs to the newest version is left."""
        from palette.offline.prepared.store import RECORD

        self._prepare()
        before = {name for name in self._names() if RECORD.fullmatch(name)}
        self.stores["objects"].vacuum(GROUP, hours=0)
        after = {name for name in self._names() if RECORD.fullmatch(name)}
        return [len(before) > len(after) == 1, *self._agree()]

    def erase(self) -> list[Any]:
        """Return what is left of it, and whether the key is."""
        reports = self.stores["objects"].erase(GROUP, ["k1"])
        left = sorted(self._names())
        store = self.stores["objects"]
        return [left, reports[0].rows > 0, store.history(GROUP, keys=["k1"]).count()]

    def _append(self, first: int, count: int) -> int:
        rows = self.spark.range(first, first + count).selectExpr(
            "concat('k', id * id % 17) AS id",
            "timestamp_seconds(1700000000 + id * 60) AS ts",
            "id / 4 AS x",
            "concat('at ', id) AS s",
        )
        return [store.write(GROUP, rows, mode="append").rows for store in self.stores.values()][-1]

    def _basis(self) -> Any:
        return self.spark.range(300).selectExpr(
            "concat('k', id % 19) AS who", "timestamp_seconds(1700000000 + id * 290) AS at", "id AS n"
        )

    def _join(self, name: str, plan: str) -> Any:
        from palette.definitions import GroupSchema
        from palette.offline import Lookup, point_in_time_join

        store = self.stores[name]
        schema = GroupSchema(*store.resolve_group(GROUP))
        lookup = Lookup(schema, ("who",), {"x": "x", "s": "s"})
        options = {"timestamp": "at", "status": True, **PLANS[plan]}
        return point_in_time_join(store.tables, self._basis(), [lookup], **options)

    def _answers(self, name: str, plan: str) -> list[str]:
        return sorted(map(str, self._join(name, plan).collect()))

    def _agree(self) -> list[bool]:
        expected = self._answers("disk", "broadcast")
        return [self._answers("objects", plan) == expected for plan in PLANS]

    def _version(self) -> Any:
        from palette.definitions import GroupSchema

        store = self.stores["objects"]
        version = store.tables.open(self.spark, GroupSchema(*store.resolve_group(GROUP)))
        assert version.files is not None, version.reason
        return version

    def _open(self) -> Any:
        from palette.offline.prepared import store as prepared

        prepared._opened.clear()
        return prepared.open_prepared(self._version(), by_created=False, hot_rows=40)

    def _prepare(self) -> set[str]:
        history = self._open()
        assert history.parts > 1
        return self._names()

    def _names(self) -> set[str]:
        from palette.offline.prepared import folders

        store = self.stores["objects"]
        return set(folders.entries(store.tables.prepared(store.group(GROUP))))


FIRST = ("write", "plans", "again", "update", "unseen")
SECOND = ("again", "plans", "append", "explained", "absent", "repaired", "vacuum", "erase")

if __name__ == "__main__":
    main(*sys.argv[1:])
