"""``palette init``: a project that runs, with a sample to throw away."""

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
    directory: Annotated[Path, typer.Argument(callback=local, help="Where the project goes; made if absent.")] = Path(
        "my_features"
    ),
    catalog: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="The catalog's database, postgresql+psycopg://USER@HOST/DATABASE, not a file."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a working project: a store, definitions with a pipeline, sample data, a model to train."""
    files = dict(FILES)
    if catalog is not None:
        from palette.catalog.database import Database

        Database(catalog)  # refuses what is no URL of a catalog, or has a password in it
        files["palette.yaml"] += f"catalog: {json.dumps(catalog)}\n"
    there = [name for name in (*files, "data") if (directory / name).exists()]
    if there:
        raise DefinitionError(f"{directory / there[0]} is there already; name another directory")
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text, "utf-8")
    _write_data(directory / "data")
    if as_json:
        print_json({"directory": str(directory), "files": [*files, "data/meals.parquet", "data/orders.parquet"]})
        return
    typer.echo(f"{directory} is ready; {directory / 'README.md'} has the commands, the first ones are:\n")
    typer.echo(f"  pip install '{INSTALL}'\n  cd {directory}\n  palette plan\n  palette apply")
    typer.echo("  palette materialize restaurant:order_history")


def _write_data(home: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    home.mkdir()
    rng = random.Random(7)  # noqa: S311  (made-up data)
    speed = [rng.uniform(8, 25) for _ in range(RESTAURANTS)]

    def moments(count: int) -> list[dt.datetime]:
        return sorted(START + dt.timedelta(seconds=rng.randrange(DAYS * 86_400)) for _ in range(count))

    cooked = [(rng.randrange(RESTAURANTS), moment) for moment in moments(MEALS)]
    meals = {
        "restaurant_uuid": [f"r{number:02d}" for number, _ in cooked],
        "finished_at": pa.array([moment for _, moment in cooked], pa.timestamp("us", tz="UTC")),
        "minutes": [round(max(2.0, rng.gauss(speed[number], 3.0)), 1) for number, _ in cooked],
    }
    asked = [(number, rng.randrange(RESTAURANTS), rng.randint(1, 5), at) for number, at in enumerate(moments(ORDERS))]
    orders = {
        "order_id": [number for number, *_ in asked],
        "r_id": [f"r{place:02d}" for _, place, _, _ in asked],
        "order_size": [size for _, _, size, _ in asked],
        "ordered_at": pa.array([at for *_, at in asked], pa.timestamp("us", tz="UTC")),
        "minutes": [round(max(5.0, rng.gauss(speed[place] + 3 * size + 8, 2.0)), 1) for _, place, size, _ in asked],
    }
    pq.write_table(pa.table(meals), home / "meals.parquet")
    pq.write_table(pa.table(orders), home / "orders.parquet")
