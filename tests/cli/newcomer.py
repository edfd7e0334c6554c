"""A new project from the first command to a model that is rolled back, as a newcomer types it.

What comes out is compared with what plain Python and numpy make of the sample's files.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from palette.definitions.base import duration
from tests.jvm import QUICK

GROUP = "restaurant:order_history"
FEATURES = ("prep_time", "n_meal")
# The sample's last meals are of 28 March.
DAY_29, DAY_30, NOON, NEXT_NOON = "2026-03-29", "2026-03-30", "2026-03-29T12:00:00", "2026-03-30T12:00:00"
# r20 has no history.
ASKED = [{"r_id": f"r{number:02d}", "order_size": 1 + number % 5} for number in range(21)]
SESSION = ("PYSPARK_", "SPARK_", "PALETTE_", "PYTHONPATH")
SAMPLES_STORE = "lmdb:store/online"


@dataclass
class Journey:
    """Runs commands in a project as processes of their own.

    Parameters
    ----------
    home : Path
        Where the project is made.
    submit : list of str
        What runs a job; without it jobs are run as the commands of ``palette`` or by ``python -m palette.jobs``.
    submitting : dict of str to str
        The environment of these.
    settings : list of str
        What the scheduler tells spark-submit of the training set, whose rows are then a file of times in Berlin.
    online : str
        The online store, instead of that of the sample.
    catalog : str
        The URL of the catalog, where it is not a file of the project.
    """

    home: Path
    submit: list[str] = field(default_factory=list)
    submitting: dict[str, str] = field(default_factory=dict)
    settings: list[str] = field(default_factory=list)
    online: str = SAMPLES_STORE
    catalog: str = ""

    def __post_init__(self):
        self.project = self.home / "project"
        root = str(Path(__file__).parents[2])
        self.environment = environment() | {"PYTHONPATH": root, "PYSPARK_PYTHON": sys.executable}

    def palette(self, *words, code=0):
        done = self._run([sys.executable, "-m", "palette", *words], self.environment, code)
        # What Java says while it starts is nobody's business.
        assert not any(noise in done.stderr for noise in ("Ivy", "log4j", "incubator")), done.stderr
        return done.stdout

    def python(self, *words, code=0):
        return self._run([sys.executable, *words], self.environment, code).stdout

    def job(self, *words, code=0, settings=()):
        """Run a job; what it did, and what it logged."""
        if self.submit:
            done = self._run([self.submit[0], *settings, *self.submit[1:], *words], self.submitting, code)
        else:
            done = self._run([sys.executable, "-m", "palette.jobs", *words], self.environment, code)
        (line,) = done.stdout.splitlines()  # data, and nothing but data
        assert f"palette.jobs: {words[0]} begins" in done.stderr
        return json.loads(line), done.stderr

    def materialize(self, to):
        if self.submit:
            return self.job("materialize", GROUP, "--to", to, "--config", "palette.yaml")[0]
        (told,) = json.loads(self.palette("materialize", GROUP, "--to", to, "--json"))
        return told

    def training_set(self, *words):
        if self.submit:
            told, log = self.job("training-set", *words, "--config", "palette.yaml", settings=self.settings)
            assert not self.settings or "Cannot use no.such.Extensions to configure session extensions" in log
            return told
        return json.loads(self.palette("training-set", *words, "--json"))

    def _run(self, command, environment, code):
        cwd = self.project if self.project.exists() else self.home
        done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == code, (
            f"{command} ends with {done.returncode}: {done.stdout[-500:]}{done.stderr[-3000:]}"
        )
        return done


def environment():
    """Return the variables of this process but those that a test session has set."""
    return {name: value for name, value in os.environ.items() if not name.startswith(SESSION)} | QUICK


def declare(journey, *options):
    """Go from nothing to features that can be found."""
    journey.palette("init", "project", *options)
    config = journey.project / "palette.yaml"
    assert f"\nonline: {SAMPLES_STORE}\n" in config.read_text()
    config.write_text(config.read_text().replace(SAMPLES_STORE, journey.online))
    journey.palette("validate")
    assert "2 added" in journey.palette("plan")
    journey.palette("apply")
    assert journey.palette("plan").startswith("0 added, 0 changed")
    found = json.loads(journey.palette("search", "prep time", "--entity", "restaurant", "--json"))
    assert [one["expression"] for one in found] == [f"{GROUP}:prep_time:restaurant_uuid"]
    assert duration(json.loads(journey.palette("show", GROUP, "--json"))["ttl"]) == dt.timedelta(days=7)


def fill(journey):
    """Compute history, put it online, and find nothing to do."""
    first = journey.materialize(DAY_29)
    assert (first["rows_computed"], first["rows_written"], first["rows_dispersed"]) == (560, 560, 20)
    # The sample looks a week back.
    again = journey.materialize(DAY_29)
    assert (again["rows_computed"], again["rows_written"], again["version"]) == (140, 0, first["version"])
    assert again["silent"]


def go_on(journey):
    """Compute the day after, and return what is scored then out of the online store."""
    cook(journey.project / "data/meals.parquet")
    more = journey.materialize(DAY_30)
    assert (more["rows_computed"], more["rows_written"], more["rows_dispersed"]) == (160, 20, 20)
    watermarks = json.loads(journey.palette("show", GROUP, "--json"))["watermarks"]
    assert dt.datetime.fromisoformat(watermarks["offline"]).replace(tzinfo=None) == dt.datetime(2026, 3, 30)
    return served(journey, NEXT_NOON)


def cook(path):
    """Add a day of meals, one or more of each restaurant."""
    there = pq.read_table(path)
    moments = [dt.datetime(2026, 3, 29, 8 + number % 12) for number in range(45)]
    meals = {
        "restaurant_uuid": [f"r{number % 20:02d}" for number in range(45)],
        "finished_at": pa.array(moments, pa.timestamp("us", tz="UTC")),
        "minutes": [10.0 + number / 8 for number in range(45)],
    }
    pq.write_table(pa.concat_tables([there, pa.table(meals).cast(there.schema)]), path)


def train(journey):
    """Write a training set, train, deploy, promote; return what a process without Spark scores, the same online."""
    features = [word for name in FEATURES for word in ("--feature", f"{name}={GROUP}:{name}:r_id")]
    orders = without_zone(journey.project) if journey.settings else "data/orders.parquet"
    told = journey.training_set(orders, "training_set/", *features, "--timestamp", "ordered_at")
    assert told["rows"] == 2000
    assert "eta, version 1: " in journey.python("train.py")
    journey.palette("promote", "eta", "1")
    rows = journey.project / "data/asked.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in ASKED))
    found = served(journey, NOON, "--store", "snapshot")
    assert served(journey, NOON, "--store", journey.online) == found
    asked = ["score", "model:eta", "--row", json.dumps(ASKED[0]), "--now", NOON]
    assert json.loads(journey.palette(*asked)) == found[0]
    return found


def without_zone(project):
    """Write the orders as a file of strings, whose times have no zone: they are UTC, whatever zone the session has."""
    orders = pq.read_table(project / "data/orders.parquet").to_pandas()
    orders["ordered_at"] = orders["ordered_at"].dt.strftime("%Y-%m-%d %H:%M:%S.%f")
    orders.to_csv(project / "data/orders.csv", index=False)
    return "data/orders.csv"


def served(journey, now, *store):
    """Return what a process without Spark scores by the model in production; out of the online store by default."""
    scored = journey.palette("score", "model:eta", "data/asked.jsonl", "--now", now, *store)
    return [json.loads(line) for line in scored.splitlines()]


def score(journey):
    """Score a table in a job, which tells that a restaurant has no history; return its rows."""
    columns = {name: [row[name] for row in ASKED] for name in ASKED[0]}
    columns["ordered_at"] = pa.array([dt.datetime.fromisoformat(NOON)] * len(ASKED), pa.timestamp("us", tz="UTC"))
    pq.write_table(pa.table(columns), journey.project / "data/asked.parquet")
    told, log = journey.job("score", "model:eta", "data/asked.parquet", "scores/", "--alarm-missing", "0.01", code=3)
    assert told["rows"] == len(ASKED)
    assert told["missing"] == {f"{GROUP}:{name}:r_id": pytest.approx(1 / 21) for name in FEATURES}
    assert len(told["alarms"]) == 2
    assert "prep_time:r_id: 4.76% of the rows have no value" in log
    return sorted(table(journey.project / "scores"), key=lambda row: row["r_id"])


def look_back(journey):
    """Ask who uses what, and bring the first version back."""
    found = json.loads(journey.palette("search", "--used-by", "eta", "--json"))
    assert {one["expression"] for one in found} == {f"{GROUP}:{name}:restaurant_uuid" for name in FEATURES}
    up = json.loads(journey.palette("lineage", "eta", "--json"))
    down = json.loads(journey.palette("lineage", "parquet.`data/meals.parquet`", "--json"))
    assert {tuple(node.values()) for node in up["nodes"]} == {tuple(node.values()) for node in down["nodes"]}
    assert {node["kind"] for node in up["nodes"]} == {"table", "group", "feature", "model"}
    assert journey.palette("lineage", f"{GROUP}:prep_time", "--dot").startswith("digraph lineage {")
    journey.palette("deploy", "model", "eta", "--stage", "production")
    assert json.loads(journey.palette("models", "--json"))[0]["production"] == 2
    journey.palette("rollback", "eta")
    (model,) = json.loads(journey.palette("models", "--json"))
    assert (model["name"], model["production"], model["newest"]) == ("eta", 1, 2)


def check_answers(journey, served, scored, later):
    """Hold what the stores and the model gave against what the files say."""
    known = history(journey.project / "data/meals.parquet")
    orders = {row["order_id"]: row for row in pq.read_table(journey.project / "data/orders.parquet").to_pylist()}
    trained = table(journey.project / "training_set")
    assert len(trained) == len(orders)
    for row in trained:
        prep_time, n_meal = known_at(known, row["r_id"], orders[row["order_id"]]["ordered_at"])
        assert row["n_meal"] == n_meal
        assert row["prep_time"] == (None if n_meal is None else pytest.approx(prep_time, rel=1e-12))
        assert {name: row[name] for name in orders[row["order_id"]]} == orders[row["order_id"]]
    predict = fitted([(known_at(known, row["r_id"], row["ordered_at"]), row) for row in orders.values()])
    noon = dt.datetime.fromisoformat(NOON).replace(tzinfo=dt.UTC)
    assert len(served) == len(scored) == len(ASKED)
    for row, online, batch in zip(ASKED, served, scored, strict=True):
        assert {name: batch[name] for name in row} == row
        for name in ("prep_time", "n_meal", "size", "prediction"):
            assert online[name] == batch[name], (row, name)  # to the bit
        assert online["prediction"] == pytest.approx(predict(known_at(known, row["r_id"], noon), row), rel=1e-6)
    for row, online in zip(ASKED, later, strict=True):
        expected = predict(known_at(known, row["r_id"], noon + dt.timedelta(days=1)), row)
        assert online["prediction"] == pytest.approx(expected, rel=1e-6)


def history(path):
    """Return restaurant to day to (mean minutes, meals), of the day before."""
    minutes = {}
    for meal in pq.read_table(path).to_pylist():
        day = meal["finished_at"].replace(hour=0, minute=0, second=0, microsecond=0) + dt.timedelta(days=1)
        minutes.setdefault(meal["restaurant_uuid"], {}).setdefault(day, []).append(meal["minutes"])
    return {
        place: {day: (sum(some) / len(some), len(some)) for day, some in days.items()}
        for place, days in minutes.items()
    }


def known_at(known, place, at):
    """Return what was known of a restaurant: the newest day's, if not older than ttl."""
    days = [day for day in known.get(place, {}) if at - dt.timedelta(days=7) <= day <= at]
    return known[place][max(days)] if days else (None, None)


def fitted(rows):
    """Return least squares over what was known, as a function."""

    def inputs(found, row):
        prep_time, n_meal = found
        return [15.0 if prep_time is None else prep_time, 0 if n_meal is None else n_meal, row["order_size"], 1.0]

    matrix = np.array([inputs(found, row) for found, row in rows])
    weights = np.linalg.lstsq(matrix, np.array([row["minutes"] for _, row in rows]), rcond=None)[0]
    return lambda found, row: float(np.dot(weights, inputs(found, row)))


def table(path):
    """Return the rows of a Delta table."""
    from deltalake import DeltaTable

    return DeltaTable(path).to_pyarrow_table().to_pylist()
