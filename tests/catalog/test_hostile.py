"""Questions with anything in them, rows that somebody else wrote, and values that no database holds."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from palette.catalog import ModelRecord, SqlCatalog
from palette.catalog.features.lineage import lineage
from palette.catalog.features.origins import tables_of
from palette.definitions import BatchSource, Entity, Feature, FeatureGroup
from palette.errors import ArgumentError, CatalogError
from tests.draws import scaled

SYNTAX = (
    "*", "^dishes", '"', "dishes*", "names:dishes", "{names tags}: dishes", "dishes NEAR/2 x", "AND", "NOT dishes",
    "+", "-dishes", "(dishes", "dishes)", "'", "''", "dishes:*", "!dishes", "& | <->", "dishes <2> x", "\\", "\\'",
    ":A", "%", "_", "dish%", ";", "--", "/*",
    "$1", ":x", "?", "\x00", "\ud800", "\x00dishes", "\u202e", "ﷺ" * 100, "½²Ⅻ٣",
)  # fmt: skip


@pytest.fixture(scope="module")
def asked(new_url):
    """A catalog that is only asked."""
    catalog = SqlCatalog(new_url())
    catalog.definitions.apply([Entity("restaurant", keys={"uuid": "string"})])
    catalog.definitions.apply([FeatureGroup("menu", entity="restaurant", features=[Feature("dishes", "bigint")])])
    yield catalog
    catalog.database.engine.dispose()


@pytest.mark.parametrize("text", SYNTAX, ids=ascii)
def test_questions_are_words_and_never_syntax(asked, text):
    assert [one.expression for one in asked.features.search(text)] == ["restaurant:menu:dishes:uuid"] * ("dish" in text)
    assert asked.features.search(f"{text} restaurant") != []
    for name in ("owner", "tag", "used_by", "entity", "group"):
        if text.isprintable():
            assert asked.features.search(**{name: text}) == []


def test_any_letters_can_be_asked_for(asked, rng):
    codes = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    for _ in range(scaled(740)):
        asked.features.search(" ".join(map(chr, rng.sample(codes, 15))))


def test_endless_questions_are_answered(asked):
    for text in ("a1" * 1_000_000, "x " * 1_000_000, "(" * 100_000, "𝒅" * 1_000_000):
        assert asked.features.search(text) == []


@pytest.mark.parametrize("name", ["owner", "tag", "used_by", "entity", "group"])
def test_values_that_no_database_holds_are_told_as_such(asked, name):
    with pytest.raises(ArgumentError, match="an unpaired surrogate; remove it"):
        asked.features.search(**{name: "\ud800"})
    if asked.database.path is None:
        with pytest.raises(ArgumentError, match="a NUL character; remove it"):
            asked.features.search(**{name: "a\x00b"})
    else:
        assert asked.features.search(**{name: "a\x00b"}) == []


@pytest.mark.parametrize(
    ("model", "message"),
    [
        pytest.param(ModelRecord("a\x00b", {}), "NUL character; remove it", id="nul"),
        pytest.param(ModelRecord("\ud800", {}), "unpaired surrogate; remove it", id="surrogate"),
        pytest.param(ModelRecord("", {}), "1 to 200 characters", id="empty"),
        pytest.param(ModelRecord("m" * 201, {}), "1 to 200 characters", id="long"),
        pytest.param(ModelRecord("m", {"x" * 401: None}), "is not a feature: it has 401", id="long-feature"),
        pytest.param(ModelRecord("m", {"e:g:x\x00": None}), "NUL character; remove it", id="feature"),
        pytest.param(ModelRecord("m", {"e:g:x": float("nan")}), "'e:g:x' is nan", id="importance"),
        pytest.param(ModelRecord("m", {}, uri="\x00"), "NUL character; remove it", id="uri"),
        pytest.param(ModelRecord("m", {}, stage="producton"), "did you mean 'production'", id="stage"),
        pytest.param(ModelRecord("m", {}, details={"a": {1}}), "not JSON serializable", id="details"),
        pytest.param(ModelRecord("m", {}, details={"a": float("inf")}), "not JSON compliant", id="details-inf"),
    ],
)
def test_models_that_cannot_be_kept_are_refused_alike_on_both(catalog, model, message):
    with pytest.raises(ArgumentError, match=message):
        catalog.models.record_all([ModelRecord("good", {}), model])
    assert catalog.models.versions() == []


def test_numbers_beyond_all_bounds_are_refused(catalog):
    for ask in (
        lambda: catalog.features.search(limit=10**30),
        lambda: catalog.pins.keep("mine", {"restaurant:menu": 10**30}),
        lambda: catalog.feeds.end_run(10**30, "done"),
    ):
        with pytest.raises((ArgumentError, CatalogError), match=r"catalog .*(too large|out of range)"):
            ask()


def test_the_longest_labels_can_be_looked_up(catalog):
    """Letters of four bytes, none like another: an index of PostgreSQL takes 2,700 bytes."""
    label = "".join(chr(0x20000 + number) for number in range(200))
    feature = Feature("n" * 128, "int", tags=[label], owner=label, description=label * 50)
    catalog.definitions.apply([FeatureGroup("g" * 128, entity="restaurant", features=[feature])])
    catalog.models.record_all([ModelRecord(label, {label * 2: 0.5})])
    assert len(catalog.features.search(tag=label, owner=label)) == 1


FEATURES = '{"name": "menu", "entity": "restaurant", "features": '
ROWS = [
    pytest.param(
        "entities.definition",
        ["[", "[]", "null", "[" * 100_000, '{"name": "restaurant"}', '{"name": "../../etc", "keys": {"k": "int"}}',
         '{"self": 1, "name": "restaurant", "keys": {"k": "int"}}'],
        lambda catalog: catalog.definitions.entities(), id="entity",
    ),
    pytest.param(
        "feature_groups.definition",
        ["{}", '{"name": "menu", "entity": "../..", "features": [{"name": "x", "dtype": "int"}]}',
         FEATURES + '[{"name": "x"}]}', FEATURES + '{"name": "x"}}', FEATURES + "[1]}"],
        lambda catalog: catalog.definitions.groups(), id="group",
    ),
    pytest.param("definition_versions.definition", ["[", "{}", "[1]"],
                 lambda catalog: catalog.definitions.history("restaurant"), id="version"),
    pytest.param("definition_versions.definition", ["[", "{}", "[1]"],
                 lambda catalog: catalog.models.stage_changes("eta"), id="stage"),
    pytest.param("models.details", ["[", "5"], lambda catalog: catalog.models.versions(), id="model"),
    pytest.param("features.tags", ["[", "5"], lambda catalog: catalog.features.search("dishes"), id="tags"),
    pytest.param("runs.details", ["[", "null"], lambda catalog: catalog.feeds.runs(), id="run"),
    pytest.param("feature_statistics.content", ["["], lambda catalog: catalog.models.statistics("a", "b"), id="sums"),
]  # fmt: skip


@pytest.mark.parametrize(("column", "values", "ask"), ROWS)
def test_rows_that_somebody_else_wrote_are_named(catalog, url, column, values, ask):
    catalog.models.record_all([ModelRecord("eta", {"restaurant:menu:dishes": 0.5}, stage="production")])
    catalog.feeds.start_run("restaurant:menu", "materialize")
    catalog.models.set_statistics("a", "b", {})
    table, name = column.split(".")
    for value in values:
        with catalog.database.engine.connect() as connection, connection.begin():
            connection.execute(sa.text(f"UPDATE {table} SET {name} = :value"), {"value": value})
        other = SqlCatalog(url)
        with pytest.raises(CatalogError, match="corrupt"):
            ask(other)
        other.database.engine.dispose()


def test_rows_of_other_types_are_named(tmp_path):
    """SQLite keeps anything in any column."""
    catalog = SqlCatalog.in_directory(tmp_path)
    catalog.definitions.apply(
        [Entity("e", keys={"k": "int"}), FeatureGroup("g", entity="e", features=[Feature("x", "int")])]
    )
    catalog.features.note("e", "fine")
    for change, ask in (
        ("UPDATE notes SET at = 'noon'", lambda: catalog.features.notes("e")),
        ("UPDATE feature_groups SET definition = x'ff'", catalog.definitions.groups),
        ("DELETE FROM catalog_state", lambda: SqlCatalog.in_directory(tmp_path).definitions.entities()),
    ):
        with catalog.database.engine.connect() as connection, connection.begin():
            connection.exec_driver_sql(change)
        with pytest.raises(CatalogError, match="corrupt"):
            ask()


@pytest.mark.parametrize(
    "sql",
    ["--", "SELECT " + "(" * 5000, "SELECT " + "[" * 500, "SELECT * FROM (" * 500, "SELECT lambda VIEW LATERAL .",
     "SELECT map ( END ANTI = =>", "SELECT 1; DROP TABLE x", "DROP TABLE x", "{{ x }} {% y %}", "SELECT /*" * 500,
     "$$$", "WITH " * 500, "SELECT CASE WHEN " * 200],
    ids=lambda text: ascii(text[:20]),
)  # fmt: skip
def test_lineage_of_sql_that_is_none_says_so(asked, sql):
    with pytest.raises(ValueError, match="its SQL is"):
        tables_of(sql)
    source = BatchSource(sql=sql)
    asked.definitions.apply([FeatureGroup("odd", entity="restaurant", features=[Feature("x", "int")], source=source)])
    assert "the tables that restaurant:odd reads are not known" in str(lineage(asked, "restaurant:odd"))
