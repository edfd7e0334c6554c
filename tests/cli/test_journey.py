"""A new project by the command line alone, its catalog in SQLite, its online store in LMDB.

`make test` takes the same way by spark-submit, with PostgreSQL and Redis (tests/jobs/test_journey.py).
"""

from __future__ import annotations

import pytest

from tests.cli import newcomer

pytestmark = [pytest.mark.spark, pytest.mark.proof]


def test_by_the_command_line(tmp_path):
    journey = newcomer.Journey(tmp_path)
    newcomer.declare(journey)
    newcomer.fill(journey)
    served = newcomer.train(journey)
    scored = newcomer.score(journey)
    later = newcomer.go_on(journey)
    newcomer.look_back(journey)
    newcomer.check_answers(journey, served, scored, later)
    assert (journey.project / "store/catalog.db").exists()
