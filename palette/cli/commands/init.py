"""``palette init``: a new project with sample data."""

from __future__ import annotations

import datetime as dt
import json
import random
from pathlib import Path
from typing import Annotated

import typer

from palette.cli.output import Json, print_json
from palette.cli.project import local
from palette.cli.sample_project import FILES, INSTALL
from palette.errors import DefinitionError

__all__ = ["init"]

START = dt.datetime(2026, 3, 1)
DAYS, RESTAURANTS, MEALS, ORDERS = 28, 20, 6000, 2000


def init(
    directory: Annotated[
        Path, typer.Argument(callback=local, help="Directory of the project; created if absent.")
    ] = Path("my_features"),
    catalog: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Database of the catalog: postgresql+psycopg://USER@HOST/DATABASE. Default: a file in the store.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Create a working project: a store, definitions with a pipeline, sample data and a model to train."""
    files = dict(FILES)
    if catalog is not None:
        from palette.catalog.database import Database

        Database(catalog)  # raises for an invalid URL, or one with a password
        files["palette.yaml"] += f"catalog: {json.dumps(catalog)}\n"
    existing = [name for name in (*files, "data") if (directory / name).exists()]
    if existing:
        raise DefinitionError(f"{directory / existing[0]} already exists; name another directory")
    for name, content in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(content, "utf-8")
    _write_data(directory / "data")
    if as_json:
        print_json({"directory": str(directory), "files": [*files, "data/meals.parquet", "data/orders.parquet"]})
        return
    typer.echo(f"{directory} is ready; {directory / 'README.md'} lists the commands, the first ones are:\n")
    typer.echo(f"  pip install '{INSTALL}'\n  cd {directory}\n  palette plan\n  palette apply")
    typer.echo("  palette materialize restaurant:order_history")


def _write_data(directory: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    directory.mkdir()
    rng = random.Random(7)  # noqa: S311  (sample data)
    mean_minutes = [rng.uniform(8, 25) for _ in range(RESTAURANTS)]

    def random_times(count: int) -> list[dt.datetime]:
        return sorted(START + dt.timedelta(seconds=rng.randrange(DAYS * 86_400)) for _ in range(count))

    meals = [(rng.randrange(RESTAURANTS), time) for time in random_times(MEALS)]
    meal_columns = {
        "restaurant_uuid": [f"r{restaurant:02d}" for restaurant, _ in meals],
        "finished_at": pa.array([time for _, time in meals], pa.timestamp("us", tz="UTC")),
        "minutes": [round(max(2.0, rng.gauss(mean_minutes[restaurant], 3.0)), 1) for restaurant, _ in meals],
    }
    orders = [(rng.randrange(RESTAURANTS), rng.randint(1, 5), time) for time in random_times(ORDERS)]
    order_columns = {
        "order_id": list(range(ORDERS)),
        "r_id": [f"r{restaurant:02d}" for restaurant, _, _ in orders],
        "order_size": [size for _, size, _ in orders],
        "ordered_at": pa.array([time for *_, time in orders], pa.timestamp("us", tz="UTC")),
        "minutes": [
            round(max(5.0, rng.gauss(mean_minutes[restaurant] + 3 * size + 8, 2.0)), 1)
            for restaurant, size, _ in orders
        ],
    }
    pq.write_table(pa.table(meal_columns), directory / "meals.parquet")
    pq.write_table(pa.table(order_columns), directory / "orders.parquet")
