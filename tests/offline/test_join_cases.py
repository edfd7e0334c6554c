"""The cases of other feature stores, on every join plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from palette.definitions import GroupSchema
from palette.offline import DeltaTables, Lookup
from tests.offline.test_join_oracle import on_every_plan
from tests.offline.worlds import frame, types
from tests.pit_cases import NAMES, load_case

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession


@pytest.mark.spark
@pytest.mark.parametrize("name", NAMES)
def test_case(spark: SparkSession, tmp_path: Path, name: str) -> None:
    case = load_case(name)
    tables = DeltaTables(str(tmp_path))
    asked = []
    for view in case.views:
        tables.write(
            GroupSchema(view.entity, view.group), frame(spark, view.rows, types(view.entity, view.group)), mode="append"
        )
        asked.append(Lookup(GroupSchema(view.entity, view.group), tuple(view.entity.keys), view.columns))
    columns = case.basis[0].keys()
    basis = frame(spark, case.basis, {name: "timestamp" if name == case.timestamp else "string" for name in columns})
    wanted = list(case.expected[0])
    times = {"timestamp": case.timestamp, "point_in_time": case.point_in_time}
    answered = on_every_plan(tables, basis, asked, ("broadcast", "hot parts, moved", "shuffle"), **times)
    for plan, found in answered.items():
        assert comparable(found, wanted) == comparable(case.expected, wanted), plan


def comparable(rows: list[dict[str, Any]], columns: list[str]) -> list[str]:
    return sorted(str([row[name] for name in columns]) for row in rows)
