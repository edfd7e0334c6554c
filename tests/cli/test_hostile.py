"""What commands print of others' names and texts, and what becomes of arguments that cannot be."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from palette import BatchSource, Entity, Feature, FeatureGroup
from palette.catalog import ModelRecord
from palette.cli.app import app
from palette.store import FeatureStore

# Colours, a title for the window, markup of Rich, C1 controls, a change of direction, lines, a bell.
HOSTILE = "\x1b[31mred \x1b]0;title\x07 [red]x[/] [/] \x9b31m \u202etxt\r\nowner: root\t| \x7f\b"
SHORT = HOSTILE[:30]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    home = tmp_path_factory.mktemp("hostile")
    (home / "palette.yaml").write_text("path: store\n")
    store = FeatureStore(home / "store")
    feature = Feature("x", "string", default=HOSTILE, description=HOSTILE, owner=HOSTILE, tags=[HOSTILE])
    table = HOSTILE.replace("\r\n", " ")
    source = BatchSource(sql=f"SELECT '{table}' AS x FROM `{table}`")
    store.apply(
        Entity("e", keys={"k": "string"}, description=HOSTILE, owner=HOSTILE, tags=[HOSTILE]),
        FeatureGroup("g", entity="e", features=[feature], description=HOSTILE, source=source),
    )
    details = {"a": f"{HOSTILE}\ud800"}
    store.catalog.models.record_all([ModelRecord(HOSTILE, {"e:g:x": 1.0}, "production", HOSTILE, details)], who=HOSTILE)
    for subject in ("e", "e:g", "e:g:x"):
        store.catalog.features.note(subject, HOSTILE, who=HOSTILE)
    store.catalog.features.deprecate("e:g:x", HOSTILE, who=HOSTILE)
    run = store.catalog.feeds.start_run("e:g", "materialize", details={"a": HOSTILE})
    store.catalog.feeds.end_run(run, "failed", details={"error": HOSTILE})
    (home / "definitions").mkdir()
    (home / "definitions" / "changed.yaml").write_text(
        f"entities: [{{name: e, keys: {{k: int}}, description: {json.dumps(HOSTILE)}}}]\n"
    )
    return home


@pytest.fixture(scope="module")
def run(project):
    return lambda *arguments: CliRunner().invoke(app, [*arguments, "--config", str(project / "palette.yaml")])


COMMANDS = [
    ("search",), ("search", "red"), ("show", "e"), ("show", "e:g"), ("show", "e:g:x"), ("models",), ("models", HOSTILE),
    ("lineage", "e:g"), ("lineage", f"model:{HOSTILE}"), ("plan",), ("promote", HOSTILE, "1"),
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command)[:12])
def test_nothing_of_others_moves_the_terminal(run, command):
    done = run(*command)
    assert done.exit_code == 0
    assert [one for one in done.output if not one.isprintable() and one != "\n"] == []
    assert not any(line.startswith("owner: root") for line in done.output.splitlines())


def test_markup_is_text(run):
    assert "[red]x[/] [/]" in run("search").output
    assert "\\x1b[31mred" in run("search").output


@pytest.mark.parametrize("command", COMMANDS[:-1], ids=lambda command: " ".join(command)[:12])
def test_json_is_printable_and_says_what_is_there(run, command):
    done = run(*command, "--json")
    assert done.exit_code == 0
    assert done.output.removesuffix("\n").isprintable()
    assert json.loads(done.output)


def test_json_gives_texts_back(run):
    (found,) = json.loads(run("search", "--json").output)
    assert (found["description"], found["owner"], found["deprecated"]) == (HOSTILE, HOSTILE, HOSTILE)
    (version,) = json.loads(run("models", HOSTILE, "--json").output)["versions"]
    assert version["details"]["a"] == f"{HOSTILE}\ud800"


@pytest.mark.parametrize(
    "command",
    [
        *[
            ("show", HOSTILE),
            ("show", f"e:{HOSTILE}"),
            ("show", f"e:g:{HOSTILE}"),
            ("models", SHORT),
            ("lineage", SHORT),
        ],
        *[
            ("promote", SHORT, "1"),
            ("promote", HOSTILE, "9" * 30),
            ("rollback", HOSTILE),
            ("search", "--type", HOSTILE),
        ],
        *[("search", "--fresher-than", "9" * 400 + "d"), ("search", "--limit", "9" * 30), ("apply",)],
        *[("plan", "x" * 5000), ("plan", HOSTILE), ("validate", HOSTILE), ("materialize", HOSTILE)],
    ],
    ids=lambda command: ascii(" ".join(command))[1:30],
)
def test_refusals_are_told_without_traceback(run, command):
    done = run(*command)
    assert (done.exit_code, type(done.exception)) == (2, SystemExit)
    assert done.output.startswith(f"palette {command[0]}: ")
    assert [one for one in done.output if not one.isprintable() and one != "\n"] == []


@pytest.mark.parametrize("arguments", [("plan", "--config"), ("init",)], ids=lambda arguments: arguments[0])
def test_paths_that_no_disk_takes_are_told(arguments):
    done = CliRunner().invoke(app, [*arguments, "x" * 5000])
    assert (done.exit_code, type(done.exception)) == (2, SystemExit)
    assert "File name too long" in done.output
