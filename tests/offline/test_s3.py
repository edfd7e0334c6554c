"""Tables and prepared histories in an object store: on one machine, then found by executors of another session."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.jvm import QUICK
from tests.servers.s3 import s3_server

pytestmark = [pytest.mark.proof, pytest.mark.slow, pytest.mark.spark]
SCRIPT = Path(__file__).with_name("on_s3.py")
LOCAL, CLUSTER = "local[2]", "local-cluster[1,2,1024]"
BOTH = pytest.mark.parametrize("where", [LOCAL, CLUSTER])
# Plans that are compared: broadcast, partitioned, shuffle.
AGREE = [True] * 3


@pytest.fixture(scope="module")
def answer(tmp_path_factory):
    """Return what a proof answers; the session on one machine comes first."""
    home = tmp_path_factory.mktemp("s3")

    @functools.cache
    def proofs(where):
        if where == CLUSTER:
            proofs(LOCAL)
        done = subprocess.run(
            [sys.executable, str(SCRIPT), where, str(home)],
            cwd=home,
            env=os.environ | QUICK | environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        return {line["proof"]: line for line in lines}, done.stderr

    def answer(where, proof):
        lines, log = proofs(where)
        assert proof in lines, f"it ended after {list(lines)}: {log[-4000:]}"
        assert "error" not in lines[proof], lines[proof]["error"]
        assert environment["AWS_SECRET_ACCESS_KEY"] not in log
        return lines[proof]["answer"]

    with s3_server("proofs") as environment:
        yield answer


def test_rows_are_written(answer):
    assert answer(LOCAL, "write") == 1200


@BOTH
def test_plans_answer_as_those_of_a_store_on_a_disk(answer, where):
    assert answer(where, "plans") == {plan: [300, True] for plan in ("broadcast", "partitioned", "shuffle")}


@BOTH
def test_what_was_prepared_is_found(answer, where):
    added, before = answer(where, "again")
    assert before > 4
    # The second session is at a version that the first has not prepared by itself, but by a join.
    assert added == 0


def test_rewritten_rows(answer):
    assert answer(LOCAL, "update") == AGREE


def test_a_driver_that_does_not_reach_the_store_reads_through_spark(answer):
    (broadcast, shuffle), agree, error = answer(LOCAL, "unseen")
    reason = r"\(its log cannot be read by this process: cannot list s3a://proofs/.*; set AWS_ACCESS_KEY_ID, .*\)"
    assert re.search(f"read through Spark {reason}", broadcast)
    assert re.search(f"not partitioned {reason}", shuffle)
    assert agree == AGREE
    assert re.search("shop:sales: what is prepared of it cannot be erased: .*nothing was erased", error)


def test_an_append_uploads_only_its_rows(answer):
    added, removed, rows, *agree = answer(CLUSTER, "append")
    assert rows == 30
    assert added > 1
    assert removed == 0
    assert agree == AGREE


def test_files_are_read_directly(answer):
    broadcast, partitioned = answer(CLUSTER, "explained")
    assert re.search(r"shop:sales, version \d+: x, read from \d+ Parquet files", broadcast)
    assert re.search(r"partitioned: one shuffle, of the basis .*\n.*prepared: .* MB in \d+ parts", partitioned)


def test_a_deleted_run(answer):
    assert re.search(
        r"the prepared history s3a://proofs/tables/shop/sales.sorted/\w+.arrow was removed", answer(CLUSTER, "absent")
    )
    assert answer(CLUSTER, "repaired") == AGREE


def test_vacuum_and_erase(answer):
    assert answer(CLUSTER, "vacuum") == [True, *AGREE]
    assert answer(CLUSTER, "erase") == [[], True, 0]


@BOTH
def test_no_copies_are_left_at_the_end(answer, where):
    assert answer(where, "end") == []
