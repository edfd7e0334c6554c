"""What a shell completes, asked as the shell asks."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from palette import Entity, Feature, FeatureGroup
from palette.catalog import ModelRecord
from palette.cli.app import app
from palette.cli.completion import whole_words
from palette.store import FeatureStore


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    home = tmp_path_factory.mktemp("completion")
    (home / "palette.yaml").write_text("path: store\n")
    store = FeatureStore.from_config(home / "palette.yaml")
    groups = [FeatureGroup(name, entity="shop", features=[Feature("x", "int")]) for name in ("orders", "menu")]
    store.apply(Entity("shop", keys={"id": "string"}), Entity("plane", keys={"id": "string"}), *groups)
    store.catalog.models.record_all([ModelRecord("eta", {}), ModelRecord("eta", {}), ModelRecord("rank", {})])
    return home


@pytest.fixture
def completed(capsys):
    def completed(words, config):
        """Return what bash is answered; it breaks words at colons."""
        broken = [part for word in words.split(" ") for part in re.findall(r":|[^:]+", word) or [""]]
        asked = {"_PALETTE_COMPLETE": "complete_bash", "COMP_WORDS": "\n".join(broken)}
        asked |= {"COMP_CWORD": str(len(broken) - 1), "PALETTE_CONFIG": str(config)}
        with whole_words(asked):
            print(CliRunner().invoke(app, [], prog_name="palette", env=asked).output)
        return capsys.readouterr().out.split()

    return completed


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("palette se", ["search", "select", "serve"]),
        ("palette jobs p", ["package"]),
        ("palette promote eta 1 --st", ["--stage"]),
        ("palette promote eta 1 --stage s", ["shadow"]),
        ("palette promote e", ["eta"]),
        ("palette search --entity ", ["plane", "shop"]),
        ("palette search --used-by r", ["rank"]),
        ("palette show sh", ["shop", "shop:menu", "shop:orders"]),
        ("palette search --group shop:o", ["orders"]),
        ("palette show shop:", ["menu", "orders"]),
        ("palette lineage shop:orders ", []),
        ("palette lineage ", ["eta", "rank", "shop:menu", "shop:orders"]),
        ("palette materialize shop:menu shop:o", ["orders"]),
        ("palette note shop:me", ["menu"]),
    ],
)
def test_bash_completes(completed, project, words, expected):
    assert completed(words, project / "palette.yaml") == expected


def test_where_there_is_no_store_nothing_is_completed(completed, tmp_path):
    assert completed("palette promote ", tmp_path / "none.yaml") == []


def test_the_script_is_for_the_command_however_it_was_started():
    command = [sys.executable, "-m", "palette", "--show-completion", "bash"]
    disabled = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=disabled)
    assert "_PALETTE_COMPLETE=complete_bash" in done.stdout
    assert "complete -o default -F _palette_completion palette" in done.stdout
