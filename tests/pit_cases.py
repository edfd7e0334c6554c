"""The point-in-time cases of other feature stores: tests/data/pit, whose README has the sources."""

from __future__ import annotations

import csv
import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from palette.definitions import Entity, Feature, FeatureGroup

FOLDER = Path(__file__).parent / "data" / "pit"
NAMES = sorted(path.parent.name for path in FOLDER.glob("*/case.json"))
UNITS = {"milliseconds": 1_000, "plain": 1_000_000}


@dataclass(frozen=True)
class View:
    """One feature group of a case, its rows, and what is read of it: output column to feature."""

    entity: Entity
    group: FeatureGroup
    rows: list[dict[str, Any]]
    columns: dict[str, str]


@dataclass(frozen=True)
class Case:
    """A basis with what each of its rows must get; rows hold text, but times."""

    name: str
    timestamp: str
    keys: tuple[str, ...]
    basis: list[dict[str, Any]]
    views: list[View]
    expected: list[dict[str, Any]]
    point_in_time: str


def load_case(name: str) -> Case:
    """Read a case; all values are text, which is enough to compare them."""
    folder = FOLDER / name
    told = json.loads((folder / "case.json").read_text("utf-8"))
    unit = told["semantics"].get("time_unit", "").split(" ")[0]
    views = [_view(folder, place, view, unit) for place, view in enumerate(told["views"])]
    times = {told["spine_ts"]} | {
        column for view in views for column, feature in view.columns.items() if feature == view.group.timestamp
    }
    return Case(
        name,
        told["spine_ts"],
        tuple(told["keys"]),
        _rows(folder / "spine.csv", {told["spine_ts"]}, unit),
        views,
        _rows(folder / "expected.csv", times, unit),
        "created" if "created_bound" in told["semantics"] else "event",
    )


def _view(folder: Path, place: int, view: dict[str, Any], unit: str) -> View:
    created = view["created"]
    rows = _rows(folder / view["file"], {view["ts"], created}, unit)
    ttl = view["ttl_seconds"]
    entity = Entity(f"entity{place}", keys=dict.fromkeys(view["keys"], "string"))
    group = FeatureGroup(
        f"view{place}",
        entity=entity.name,
        timestamp=view["ts"],
        created=created,
        ttl=None if ttl is None else dt.timedelta(seconds=ttl),
        features=[Feature(feature, "string") for feature in view["features"]],
    )
    renamed = view.get("output_names", {})
    wanted = dict.fromkeys([*view["features"], *renamed])
    return View(entity, group, rows, {renamed.get(feature, feature): feature for feature in wanted})


def _rows(path: Path, times: set[str | None], unit: str) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return [
            {name: _time(text, unit) if name in times else text or None for name, text in row.items()}
            for row in csv.DictReader(lines)
        ]


def _time(text: str, unit: str) -> dt.datetime | None:
    if not text:
        return None
    if text.lstrip("-").isdigit():
        micros = int(text) * UNITS.get(unit, 1_000_000)
        return dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=micros)
    return dt.datetime.fromisoformat(text).astimezone(dt.UTC).replace(tzinfo=None)
