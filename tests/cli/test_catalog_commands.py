"""The commands that declare and find features, as people type them; errors are a line, JSON is for machines."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from palette.catalog import ModelRecord
from palette.cli.app import app
from palette.store import FeatureStore

DEFINITIONS = """
entities:
  - {name: restaurant, keys: {r_id: string}, owner: eats}
feature_groups:
  - name: order_history
    entity: restaurant
    timestamp: at
    tags: [orders]
    features:
      - {name: prep_time, dtype: double, description: minutes from order to pick-up}
      - {name: n_meal, dtype: bigint}
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "palette.yaml").write_text("path: store\n")
    (tmp_path / "definitions").mkdir()
    (tmp_path / "definitions/eats.yaml").write_text(DEFINITIONS)
    return tmp_path


@pytest.fixture
def run(project):
    def run(command, *arguments):
        return CliRunner().invoke(app, [command, *arguments, "--config", str(project / "palette.yaml")])

    return run


def put(project, old, new):
    file = project / "definitions/eats.yaml"
    file.write_text(file.read_text().replace(old, new))


def test_a_feature_and_a_group_are_removed(project, run):
    run("apply")
    catalog = FeatureStore.open(project / "palette.yaml").catalog
    catalog.models.record_all([ModelRecord("eta", {"restaurant:order_history:n_meal": 0.5})])
    n_meal = "restaurant:order_history:n_meal"
    shown = run("remove", n_meal, "--dry-run")
    assert shown.exit_code == 0
    assert f"- feature {n_meal} (breaking)" in shown.output
    assert "used by eta" in shown.output
    assert f"warning: {n_meal} is still in the definitions" in shown.output
    refused = run("remove", n_meal)
    assert refused.exit_code == 2
    assert refused.output.startswith("palette remove: breaking changes: ")
    assert "--allow-breaking" in refused.output
    put(project, "      - {name: n_meal, dtype: bigint}\n", "")
    done = run("remove", n_meal, "--allow-breaking", "--json")
    assert json.loads(done.output)["models"] == ["eta"]
    assert run("plan").output == "0 added, 0 changed, 0 removed; none breaking\n"
    assert run("remove", "restaurant:order_history", "--drop-tables", "--allow-breaking").exit_code == 0
    assert list(catalog.definitions.groups()) == []
    assert "no feature group" in run("remove", "restaurant:order_history", "--allow-breaking").output


def test_a_feature_and_a_group_are_renamed(project, run):
    run("apply")
    shown = run("rename", "restaurant:order_history", "orders", "--dry-run")
    assert "> group restaurant:order_history (breaking)" in shown.output
    assert "warning: restaurant:order_history is still in the definitions" in shown.output
    assert "--allow-breaking" in run("rename", "restaurant:order_history", "orders").output
    put(project, "name: order_history", "name: orders")
    done = run("rename", "restaurant:order_history", "orders", "--allow-breaking", "--json")
    assert json.loads(done.output)["changes"][0]["action"] == "renamed"
    put(project, "n_meal, dtype: bigint", "meals, dtype: bigint, description: so many")
    done = run("rename", "restaurant:orders:n_meal", "meals", "--allow-breaking")
    assert done.output.splitlines()[-1] == "0 added, 1 changed, 0 removed, 1 renamed; 1 breaking"
    assert run("plan").output == "0 added, 0 changed, 0 removed; none breaking\n"
    assert "it was renamed to 'restaurant:orders'" in run("show", "restaurant:order_history").output


def test_the_way_from_a_file_to_a_feature(project, run):
    assert run("validate").output == "well formed; entities: 1, feature groups: 1\n"
    shown = run("plan")
    assert shown.exit_code == 0
    assert "+ group restaurant:order_history\n    features prep_time, n_meal\n" in shown.output
    assert run("search").output.splitlines()[-1] == "nothing found"
    assert run("apply").output == shown.output
    assert run("plan").output == "0 added, 0 changed, 0 removed; none breaking\n"
    found = run("search", "prep time", "--entity", "restaurant")
    assert "restaurant:order_history:prep_time:r_id" in found.output
    assert "minutes from order to pick-up" in found.output
    (one,) = json.loads(run("search", "prep", "--json").output)
    assert (one["expression"], one["dtype"]) == ("restaurant:order_history:prep_time:r_id", "double")
    refused = run("search", "--used-by", "eta")
    assert (refused.exit_code, refused.output) == (2, "palette search: no model 'eta'\n")
    for tags, count in ((("orders",), 2), (("orders", "eats"), 0)):
        words = [word for tag in tags for word in ("--tag", tag)]
        assert len(json.loads(run("search", *words, "--json").stdout)) == count, tags
    FeatureStore.from_config(project / "palette.yaml").catalog.models.record_all(
        [ModelRecord("eta", {"restaurant:order_history:prep_time": 0.7})]
    )
    (one,) = json.loads(run("search", "--used-by", "eta", "--json").output)
    assert one["uses"] == 1


MORE = """
feature_groups:
  - name: menu
    entity: restaurant
    features: [{name: dishes, dtype: bigint}]
    source: {kind: batch, %s}
"""


def test_validate_refuses_what_plan_and_materialize_refuse(project, run):
    more = project / "definitions/more.yaml"
    more.write_text(MORE.replace("restaurant", "restaurnt") % "sql: SELECT 1")
    for command in ("validate", "plan"):
        refused = run(command)
        assert (refused.exit_code, "feature group 'menu': no entity 'restaurnt'" in refused.output) == (2, True)
    assert "did you mean 'restaurant'?" in run("validate").output
    more.write_text(MORE % "function: 'ours.menu:dishes'")
    done = run("validate")
    assert (done.exit_code, "module 'ours.menu' is not among those" in done.output) == (2, True)
    (project / "palette.yaml").write_text("path: store\nfeeds: {modules: [ours]}\n")
    assert run("validate").exit_code == 0
    more.write_text(MORE.replace("dishes", "r_id") % "sql: SELECT 1")
    assert "column 'r_id' has the name of key 'r_id'" in run("validate").output


def test_validate_asks_the_catalog_only_of_entities_that_are_elsewhere(project, run):
    (project / "more.yaml").write_text(MORE % "sql: SELECT 1")
    refused = run("validate", str(project / "more.yaml"))
    assert (refused.exit_code, "no entity 'restaurant'" in refused.output) == (2, True)
    assert not (project / "store").exists()
    run("apply")
    assert run("validate", str(project / "more.yaml")).output == "well formed; entities: 0, feature groups: 1\n"
    elsewhere = CliRunner().invoke(
        app, ["validate", str(project / "more.yaml"), "--config", str(project / "none.yaml")]
    )
    assert elsewhere.exit_code == 0
    assert (
        "warning: restaurant:menu: entity 'restaurant' is not among these definitions (no store at" in elsewhere.stderr
    )


@pytest.mark.parametrize(
    ("sql", "warning"),
    [
        ("SELECT count(* FROM meals", "line 1, column 19: Expecting )"),
        ("SELECT 1; SELECT 2", "2 queries, expected one"),
        ("DROP TABLE meals", "not a query"),
        ("WITH late AS (SELECT 1) (SELECT * FROM late) UNION ALL VALUES (2)", None),
        ("SELECT * FROM delta.`/x` WHERE at > :start GROUP BY ALL", None),
    ],
)
def test_sql_that_may_be_wrong_is_a_warning(project, run, sql, warning):
    (project / "definitions/more.yaml").write_text(MORE % f"sql: {json.dumps(sql)}")
    done = run("validate", "--json")
    told = f"restaurant:menu: its SQL may be wrong, sqlglot does not understand it: {warning}"
    assert (done.exit_code, json.loads(done.stdout)["warnings"]) == (0, [] if warning is None else [told])
    assert run("validate").stderr == ("" if warning is None else f"warning: {told}\n")


def test_what_breaks_is_shown_and_refused_unless_wanted(project, run):
    run("apply")
    FeatureStore.from_config(project / "palette.yaml").catalog.models.record_all(
        [ModelRecord("eta", {"restaurant:order_history:prep_time": 0.7})]
    )
    put(project, "name: prep_time, dtype: double", "name: prep_time, dtype: string")
    shown = run("plan")
    assert "(breaking)" in shown.output
    assert "used by eta" in shown.output
    assert json.loads(run("plan", "--json").output)["models"] == ["eta"]
    refused = run("apply")
    assert refused.exit_code == 2
    assert refused.output.startswith("palette apply: breaking changes: ")
    assert refused.output.endswith("models that use them: eta (use another name, or --allow-breaking)\n")
    assert run("plan").output == shown.output, "nothing was applied"
    assert run("apply", "--allow-breaking").exit_code == 0
    assert run("plan").output.startswith("0 added, 0 changed")


def test_a_group_in_two_files_is_refused_with_both(project, run):
    text = DEFINITIONS.replace("dtype: double", "dtype: string").partition("feature_groups:")[2]
    (project / "definitions/more.yaml").write_text(f"feature_groups:{text}")
    for command in ("validate", "plan", "apply"):
        done = run(command)
        assert done.exit_code == 2
        assert "'restaurant:order_history' is defined twice, in " in done.output
        assert "eats.yaml and in " in done.output
        assert "more.yaml" in done.output


def test_show_tells_all_of_a_thing(project, run):
    run("apply")
    store = FeatureStore.from_config(project / "palette.yaml")
    store.catalog.features.note("restaurant:order_history", "late on Mondays", who="ada")
    store.catalog.models.record_all([ModelRecord("eta", {"restaurant:order_history:prep_time": 0.7})])
    entity = json.loads(run("show", "restaurant", "--json").output)
    assert (entity["keys"], entity["groups"]) == ({"r_id": "string"}, ["restaurant:order_history"])
    group = json.loads(run("show", "restaurant:order_history", "--json").output)
    assert [note["text"] for note in group["notes"]] == ["late on Mondays"]
    assert [version["action"] for version in group["versions"]] == ["added"]
    feature = json.loads(run("show", "restaurant:order_history:prep_time", "--json").output)
    assert feature["models"] == [{"model": "eta", "version": 1, "stage": "shadow", "importance": 0.7}]
    printed = run("show", "restaurant:order_history:prep_time").output
    assert "dtype: double" in printed
    assert "eta" in printed
    assert "late on Mondays" in run("show", "restaurant:order_history").output


def test_show_tells_what_a_feature_has_from_above_and_what_became_of_it(project, run):
    run("apply")
    put(project, "dtype: bigint", "dtype: bigint, owner: ada, tags: [meals]")
    run("apply")
    told = json.loads(run("show", "restaurant:order_history:n_meal", "--json").output)
    assert (told["owner"], told["tags"], told["kind"], told["stars"]) == ("ada", ["meals", "orders"], "", None)
    assert [(one["version"], one["action"]) for one in told["versions"]] == [(1, "added"), (2, "changed")]
    told = json.loads(run("show", "restaurant:order_history:prep_time", "--json").output)
    assert (told["owner"], told["tags"], told["curated"], told["deprecated"]) == ("eats", ["orders"], False, None)
    assert [one["version"] for one in told["versions"]] == [1]
    (found,) = json.loads(run("search", "prep", "--json").output)
    for whole in (found["expression"], f"@palette:{found['expression']}"):
        assert json.loads(run("show", whole, "--json").output) == told


def test_what_people_say_is_said_and_shown(run, monkeypatch):
    run("apply")
    monkeypatch.setenv("PALETTE_USER", "ada")
    subject = "restaurant:order_history:prep_time"
    assert run("note", subject, "late on Mondays").output == f"noted on {subject}\n"
    assert run("rate", f"{subject}:r_id", "4").output == f"{subject} has 4 of 5 stars from you\n"
    assert run("curate", "restaurant").output == "restaurant is curated\n"
    assert run("deprecate", subject, "take the median").output == f"{subject} is deprecated\n"
    shown = run("show", subject).output
    assert [
        line for line in ("curated: yes", "deprecated: take the median", "stars: 4.0") if f"{line}\n" not in shown
    ] == []
    assert "ada  late on Mondays" in shown
    assert run("show", "restaurant:order_history").output.count("curated: yes\n") == 1
    told = [
        json.loads(run(*words, "--undo", "--json").output)
        for words in (("curate", "restaurant"), ("deprecate", subject))
    ]
    assert told == [{"subject": "restaurant", "curated": False}, {"subject": subject, "deprecated": None}]
    assert not {"curated", "deprecated"} & {line.partition(":")[0] for line in run("show", subject).output.splitlines()}
    assert json.loads(run("deprecate", "restaurant", "--json").output)["deprecated"] == "deprecated"
    assert json.loads(run("show", subject, "--json").output)["deprecated"] == "deprecated", "as its entity is"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["note", "restaurnt", "x"], "nothing called 'restaurnt'; did you mean 'restaurant'?"),
        (["note", "restaurant", " "], "expected a string of 1 to 10,000 characters"),
        (["rate", "restaurant", "3"], "stars are for features"),
        (["rate", "restaurant:order_history:n_meal", "6"], "stars: expected an integer from 1 to 5"),
        (["curate", "restaurant:order_histry"], "did you mean 'restaurant:order_history'?"),
        (["deprecate", "restaurant", "why", "--undo"], "does not take a reason"),
        (["show", "restaurnt"], "no entity 'restaurnt'; did you mean 'restaurant'?"),
        (["show", "a:b:c:d:e"], "expected ENTITY, ENTITY:GROUP or ENTITY:GROUP:FEATURE"),
        (["search", "--entity", "restaurnt"], "no entity 'restaurnt'; did you mean 'restaurant'?"),
        (["search", "--group", "order_histry"], "no feature group 'order_histry'; did you mean 'order_history'?"),
        (["search", "--group", "restaurant:orders"], "no feature group 'restaurant:orders'; did you mean"),
        (["search", "--fresher-than", "soon"], "'soon' is not a duration"),
        (["search", "--type", "dubble"], "unknown type 'dubble'; did you mean 'double'?"),
        (["validate", "nowhere.yaml"], "no YAML file at 'nowhere.yaml'"),
    ],
)
def test_faults_are_a_line(run, arguments, message):
    run("apply")
    done = run(*arguments)
    assert done.exit_code == 2
    assert message in done.output
    assert done.output.count("\n") == 1


def test_a_store_that_is_not_there(tmp_path):
    done = CliRunner().invoke(app, ["plan", "--config", str(tmp_path / "palette.yaml")])
    assert done.exit_code == 2
    assert "name its YAML file or directory with --config" in done.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [("search",), ("show", "restaurant"), ("materialize", "restaurant:order_history")])
def test_a_directory_of_something_else_is_no_store(tmp_path, command):
    (tmp_path / "meals.csv").write_text("a\n")
    done = CliRunner().invoke(app, [*command, "--config", str(tmp_path)])
    assert done.exit_code == 2
    assert "neither palette.yaml nor catalog.db" in done.output
    assert [file.name for file in tmp_path.iterdir()] == ["meals.csv"]


def test_a_store_begins_in_a_directory_that_has_none(project, tmp_path):
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    for command in (["apply", str(project / "definitions")], ["show", "restaurant"]):
        done = CliRunner().invoke(app, [*command, "--config", str(fresh)])
        assert done.exit_code == 0, done.output


def test_a_directory_stands_for_the_file_in_it(project, run):
    run("apply")
    done = CliRunner().invoke(app, ["show", "restaurant", "--json", "--config", str(project)])
    assert json.loads(done.output)["groups"] == ["restaurant:order_history"]
    for config in (project / "store", project):
        assert "restaurant" in FeatureStore.open(config).catalog.definitions.entities()
    assert not (project / "catalog.db").exists()


def test_a_file_that_is_no_yaml_is_refused(tmp_path):
    (tmp_path / "palette.conf").write_text("path: store\n")
    done = CliRunner().invoke(app, ["plan", "--config", str(tmp_path / "palette.conf")])
    assert done.exit_code == 2
    assert "palette.conf': expected a directory, or a file that ends with .yaml\n" in done.output
    assert [file.name for file in tmp_path.iterdir()] == ["palette.conf"]


@pytest.mark.spark
def test_tables_are_made_when_asked_for(project, run, spark):
    assert run("apply", "--create-tables").exit_code == 0
    store = FeatureStore.from_config(project / "palette.yaml")
    assert store.latest("restaurant:order_history").count() == 0
    assert store.create_tables() == []
    store.write("restaurant:order_history", spark.sql("SELECT 'r1' r_id, now() at, 1D prep_time, 2L n_meal"))
    assert store.latest("restaurant:order_history").count() == 1
