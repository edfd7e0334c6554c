"""``palette score``: lines of JSON in, lines of JSON out."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from palette.cli.app import app
from palette.serving import LocalPipeline
from tests.service.asked import basis_plan
from tests.serving.test_plan import PLAN


@pytest.fixture
def bundle(tmp_path):
    expressions = {"y": "nVal('basis:x') * 2", "day": "dayOfMonth(tVal('basis:at'))"}
    LocalPipeline(basis_plan(expressions, x="double", at="timestamp")).save(tmp_path / "eta")
    return str(tmp_path / "eta")


def score(*arguments, **options):
    return CliRunner().invoke(app, ["score", *arguments], **options)


def test_one_row(bundle):
    done = score(bundle, "--row", '{"x": 1.5, "at": "2026-01-31T12:00:00Z"}')
    assert (done.exit_code, json.loads(done.output)) == (0, {"y": 3.0, "day": 31})


def test_rows_of_a_file_and_of_the_standard_input(bundle, tmp_path):
    rows = [{"x": number, "at": None} for number in range(2500)]
    text = "\n".join(map(json.dumps, rows)) + "\n\n"
    (tmp_path / "rows.jsonl").write_text(text)
    done = score(bundle, str(tmp_path / "rows.jsonl"))
    assert [json.loads(line)["y"] for line in done.output.splitlines()] == [2.0 * row["x"] for row in rows]
    assert score(bundle, "-", input=text).output == done.output


def test_a_bad_row_is_an_error_in_its_place(bundle):
    rows = [
        '{"x": 1, "at": null}', '{"x": "text", "at": null}', "no json", "[1]", '{"x": "NaN", "at": null}',
        '{"x": 1, "at": "noon"}', '{"x": 2, "at": null}', '{"X": 2, "at": null}',
    ]  # fmt: skip
    done = score(bundle, "-", input="\n".join(rows))
    assert done.exit_code == 1
    answers = [json.loads(line) for line in done.output.splitlines()]
    assert [answer.get("y") for answer in answers] == [2.0, None, None, None, "NaN", None, 4.0, None]
    assert ["error" in answer for answer in answers] == [False, True, True, True, False, True, False, True]
    assert "lacks column 'x' (did you mean 'X'?)" in answers[-1]["error"]


def test_a_row_with_a_column_that_is_not_known_is_refused_where_that_was_chosen(bundle):
    row = '{"x": 1, "at": null, "tx": 1}'
    assert json.loads(score(bundle, "--row", row).output) == {"y": 2.0, "day": None}
    done = score(bundle, "--row", row, "--strict")
    assert done.exit_code == 1
    assert "unknown column 'tx'" in json.loads(done.output)["error"]


@pytest.mark.parametrize(
    "row",
    [b'{"at": null, "x": "\\ud800"}', b'{"city": "\\ud800"}', b'{"\\ud800": 1}', b"\xff",
     b'{"at": null, "x": "\xff"}', b"[" * 100_000, b'"\\u009b"', b'{"at": null, "x": 1e999}',
     b'{"at": null, "x": ' + b"9" * 5000 + b"}", b'{"at": null, "x": {"x": {}}}', b"NaN", b"\0"],
    ids=lambda row: ascii(row[:20]),
)  # fmt: skip
def test_hostile_rows_are_errors_in_their_place(bundle, row):
    done = score(bundle, "-", input=b'{"x": 1, "at": null}\n' + row + b'\n{"x": 2, "at": null}\n')
    assert (done.exit_code, type(done.exception)) == (1, SystemExit)
    first, middle, last = done.output.splitlines()
    assert (json.loads(first)["y"], list(json.loads(middle)), json.loads(last)["y"]) == (2.0, ["error"], 4.0)
    assert middle.isprintable()


@pytest.mark.parametrize("arguments", [[], ["-", "--row", "{}"], ["nowhere.jsonl"]])
def test_faults_are_a_line(bundle, arguments):
    done = score(bundle, *arguments)
    assert done.exit_code == 2
    assert done.output.startswith("palette score: ")


def test_a_store_that_is_not_there_is_neither_made_nor_read(tmp_path):
    LocalPipeline(PLAN).save(tmp_path / "eta")
    done = score(str(tmp_path / "eta"), "--row", '{"r_id": "r1"}', "--store", f"lmdb:{tmp_path}/misspelt")
    assert done.exit_code == 2
    assert "no online store" in done.output
    assert not (tmp_path / "misspelt").exists()
