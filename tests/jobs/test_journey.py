"""A new project with PostgreSQL and Redis, its jobs by spark-submit from the zip, where palette is not installed."""

from __future__ import annotations

import shlex
import subprocess
import sysconfig
import venv
from pathlib import Path

import pyspark
import pytest
import sqlalchemy as sa

from tests.cli import newcomer

pytestmark = [pytest.mark.spark, pytest.mark.slow]
# What a scheduler may have set, and a job keeps: an extension that is not there is passed over with a warning, and
# Delta's is still added.
SETTINGS = {
    "spark.sql.session.timeZone": "Europe/Berlin",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "7",
    "spark.sql.extensions": "no.such.Extensions",
    "spark.log.level": "WARN",
}


def without_palette(home):
    """Make an environment that has all that this one has but palette; return its Python."""
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin/python3"
    find = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    done = subprocess.run([python, "-c", find], capture_output=True, text=True, check=True)
    for entry in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if "palette" not in entry.name and entry.name != "dsl" and entry.suffix != ".pth":
            (Path(done.stdout.strip()) / entry.name).symlink_to(entry)
    return python


@pytest.fixture
def journey(tmp_path, postgres_server, redis_server):
    """A project with its features declared, whose jobs are run by spark-submit where palette is not installed."""
    python = without_palette(tmp_path / "cluster")
    journey = newcomer.Journey(tmp_path, online=redis_server.url.removesuffix("/0") + "/7")
    journey.catalog = postgres_server.database()
    newcomer.declare(journey, "--catalog", journey.catalog)
    schedule, line = journey.palette("jobs", "package").splitlines()
    assert schedule == f"# {newcomer.GROUP}, schedule 15 3 * * *"
    submit, job = (shlex.split(part) for part in line.split("jobs/palette_job.py"))
    assert job == ["materialize", newcomer.GROUP, "--config", "palette.yaml"]
    journey.submit = [*submit, "jobs/palette_job.py"]
    journey.settings = [word for name, value in SETTINGS.items() for word in ("--conf", f"{name}={value}")]
    path = f"{python.parent}:{Path(pyspark.__file__).parent / 'bin'}"
    journey.submitting = newcomer.environment() | {"PATH": f"{path}:{newcomer.environment()['PATH']}"}
    lacking = subprocess.run(
        [python, "-c", "import palette"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert "No module named 'palette'" in lacking.stderr
    return journey


def test_a_job_by_spark_submit(journey):
    report = journey.materialize(newcomer.DAY_29)
    assert (report["rows_written"], report["rows_dispersed"]) == (560, 20)
    with sa.create_engine(journey.catalog).connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM runs WHERE status = 'done'")).scalar() == 1


@pytest.mark.proof
def test_all_jobs_by_spark_submit(journey):
    newcomer.fill(journey)
    served = newcomer.train(journey)
    scored = newcomer.score(journey)
    later = newcomer.go_on(journey)
    newcomer.look_back(journey)
    newcomer.check_answers(journey, served, scored, later)
    assert not (journey.project / "store/catalog.db").exists()
    with sa.create_engine(journey.catalog).connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM runs WHERE status = 'done'")).scalar() == 3
