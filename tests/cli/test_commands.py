"""The command palette: what it prints, and how it refuses."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from palette._version import __version__
from palette.cli import main
from palette.cli.app import app
from palette.service import server
from palette.service.http.errors import KINDS
from palette.service.metrics import Metrics
from palette.serving import LocalPipeline
from tests.service.asked import basis_plan


def run(*arguments, **options):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], **options)


def test_version_and_help():
    assert run("--version").output.strip() == __version__
    shown = re.sub(r"\x1b\[[0-9;]*m", "", run("serve", "--help", env={"COLUMNS": "200"}).output)
    for option in ("--store", "--name", "--workers", "--token-file", "--bundle-root", "--served-log"):
        assert option in shown
    done = subprocess.run([sys.executable, "-m", "palette", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == __version__


@pytest.fixture
def bundle(tmp_path):
    LocalPipeline(basis_plan({"x": "nVal('basis:x')"}, x="double")).save(tmp_path / "eta")
    return tmp_path / "eta"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--host", "0.0.0.0"], "there is no token: set PALETTE_TOKENS"),
        (["--name", "a b"], "cannot name a model"),
        (["--name", "a", "--name", "b"], "2 --name options for 1 bundles"),
        (["--token-file", "nowhere"], "cannot be read"),
        (["--bundle-root", "nowhere"], "--bundle-root: 'nowhere' is not a directory"),
        (["--budget", "0"], "--budget: must be above 0"),
        (["--host", "no.such.host.invalid"], "there is no token"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(bundle, options, message):
    done = run("serve", bundle, *options)
    assert done.exit_code == 2
    assert message in done.output
    assert done.output.startswith("palette serve: ")
    assert done.output.count("\n") == 1


def test_options_reach_the_service(bundle, monkeypatch):
    found = []
    monkeypatch.setattr(server, "serve", lambda settings: found.append(settings) or 0)
    done = run(
        "serve", bundle, "--name", "first", "--store", "redis://x", "--workers", 3, "--on-store-error", "default"
    )
    assert done.exit_code == 0
    (settings,) = found
    assert settings.bundles == (("first", str(bundle)),)
    assert (settings.store, settings.workers, settings.on_store_error) == ("redis://x", 3, "default")


def test_without_its_libraries_it_says_how_to_get_them(monkeypatch):
    monkeypatch.setitem(sys.modules, "typer", None)
    for name in [name for name in sys.modules if name.startswith("palette.cli.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(SystemExit, match=r"pip install 'palette-features\[server\]'"):
        main()


def test_options_and_figures_are_documented():
    text = (Path(__file__).parent.parent.parent / "docs/serving.md").read_text("utf-8")
    options = {option for parameter in get_command(app).commands["serve"].params for option in parameter.opts}
    assert [option for option in options if option.startswith("--") and f"`{option}`" not in text] == []
    figures = re.findall(r"^# TYPE (\w+)", Metrics().render().decode(), re.MULTILINE)
    assert len(figures) > 10
    assert [figure for figure in figures if f"`{figure}`" not in text] == []
    assert [kind for kind in KINDS if f"`{kind}`" not in text] == []
