"""``palette init``: what it makes, and what it refuses before anything is made."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from palette.cli.app import app
from palette.cli.sample_project import FILES
from palette.definitions.config import read_config


def init(*arguments):
    return CliRunner().invoke(app, ["init", *map(str, arguments)])


def test_a_project_is_made_once(tmp_path):
    assert init(tmp_path / "new").exit_code == 0
    assert {name for name in FILES if (tmp_path / "new" / name).is_file()} == set(FILES)
    assert read_config(tmp_path / "new/palette.yaml").catalog is None
    again = init(tmp_path / "new")
    assert (again.exit_code, "already exists" in again.output) == (2, True)


def test_machines_are_told_what_was_made(tmp_path):
    told = json.loads(init(tmp_path / "new", "--json").output)
    made = {str(path.relative_to(tmp_path / "new")) for path in (tmp_path / "new").rglob("*") if path.is_file()}
    assert (told["directory"], set(told["files"])) == (str(tmp_path / "new"), made)


def test_the_catalog_is_named(tmp_path):
    url = "postgresql+psycopg://palette@db.example:5432/features?sslmode=verify-full"
    assert init(tmp_path / "new", "--catalog", url).exit_code == 0
    assert read_config(tmp_path / "new/palette.yaml").catalog == url


@pytest.mark.parametrize("url", ["mysql://h/d", "postgresql+psycopg://me:secret@h/d", "no url"])
def test_a_catalog_that_cannot_be_is_refused(tmp_path, url):
    done = init(tmp_path / "new", "--catalog", url)
    assert (done.exit_code, list(tmp_path.iterdir())) == (2, [])
    assert done.output.startswith("palette init: catalog: ")
    assert "secret" not in done.output
