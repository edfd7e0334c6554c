"""Whoever may write definitions, names, texts, files or rows of the catalog: what is not meant is refused, by name.

Requests of the service are in tests/service/test_hostile.py; what the catalog keeps and finds in tests/catalog.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palette.definitions import (
    Aggregate,
    BatchSource,
    Entity,
    Feature,
    FeatureGroup,
    RPCSource,
    dump_definitions,
    load_definitions,
)
from palette.errors import ArgumentError, DefinitionError
from palette.online import open_online

X = [Feature("x", "double")]
ENDLESS = "9" * 400 + "d"
# Texts that are only texts: kept as they are, whatever a database, YAML or a terminal takes them for.
TEXTS = (
    "\x1b[31mred", "\x9b31m", "\x07\x08\x7f", "\u202egnp.exe", "[red]x[/]", "[/]", "a\nowner: root", "a\r\nb\tc",
    "\x85\u2028\u2029\xa0\ufeff", "<script>alert(1)</script>", "${HOME} $(id) `id`", "{{7*7}} %s {0}", "🏳️‍🌈 ﷺ",
    "'; DROP TABLE features; --", "!!python/object/apply:os.system", "&a *a", "null", "~", "yes", "2026-13-45", "1_0",
    "010", "0o10", "1e5", "1:30",
)  # fmt: skip


def entity(words):
    return f"\nentities: [{{name: e, keys: {{k: int}}, {words}}}]"


def group(words):
    return f"\nfeature_groups: [{{name: g, entity: e, {words}}}]"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(entity("description: 1e999"), "line 2: '1e999' is not a valid float .*quotes", id="float"),
        pytest.param(entity(f"description: {'1' * 5000}"), "'111.* is not a valid int", id="endless-number"),
        pytest.param(entity("description: !!bool maybe"), "'maybe' is not a valid bool", id="bool"),
        pytest.param(entity("description: !!timestamp now"), "'now' is not a valid timestamp", id="timestamp"),
        pytest.param(entity("tags: !!set {a, b}"), "remove the tag .*set", id="set"),
        pytest.param(entity("tags: !!python/tuple [a]"), "remove the tag .*python/tuple", id="python-tag"),
        pytest.param("\n!!python/object/apply:os.system [id]", "remove the tag", id="python-call"),
        pytest.param("\n!!python/object/new:os.system {args: [id]}", "remove the tag", id="python-new"),
        pytest.param(entity("<<: {owner: x}"), "Entity 'e': unknown key '<<'", id="merge"),
        pytest.param(entity("? [a] : b"), "not YAML", id="list-as-key"),
        pytest.param("\n" + "[" * 100_000, "not YAML", id="deep-list"),
        pytest.param("\n" + "{a: " * 10_000, "not YAML", id="deep-mapping"),
        pytest.param("\n".join(" " * depth + "a:" for depth in range(3000)), "not YAML", id="deep-block"),
        pytest.param("\n&a [*a]", "anchors are not accepted", id="of-itself"),
        pytest.param("\na: 1\n---\nb: 2", "not YAML", id="two-documents"),
        pytest.param("\n" + "a" * 10_000_001, "more than 10,000,000 characters", id="long"),
        pytest.param(entity("1: 2"), "Entity: expected a mapping", id="number-as-word"),
        pytest.param(entity("self: 2"), "Entity 'e': unknown key 'self'", id="self"),
        pytest.param(entity("__class__: x"), "Entity 'e': unknown key '__class__'", id="dunder"),
        pytest.param(entity(r'description: "a\0"'), "description: .*NUL character; remove it", id="nul"),
        pytest.param(entity(r'tags: ["\ud800"]'), "tags: .*unpaired surrogate; remove it", id="surrogate"),
        pytest.param(group("features: [{name: x}]"), "Feature 'x': dtype is missing", id="no-type"),
        pytest.param(group("features: [{1: 2}]"), "Feature: expected a mapping", id="feature-number"),
        pytest.param(group("features: [x]"), "FeatureGroup 'g': features.0", id="feature-text"),
        pytest.param(group("features: x"), "FeatureGroup 'g': features", id="features-text"),
        pytest.param(group("features: "), "FeatureGroup 'g': features", id="features-null"),
        pytest.param(group("features: 5"), "FeatureGroup 'g': features", id="features-number"),
        pytest.param(group("features: [{name: x, dtype: [int]}]"), "Feature 'x': dtype", id="type-list"),
        pytest.param(group("features: [{name: x, dtype: int, self: 2}]"), "unknown key 'self'", id="feature-self"),
        pytest.param(group("features: [{name: x, dtype: int}], source: [sql]"), "'g': source", id="source-list"),
        pytest.param(group("features: [{name: x, dtype: int}], source: {kind: {}}"), "'g': source", id="kind"),
    ],
)
def test_hostile_yaml_is_refused_in_one_error(text, message):
    with pytest.raises(DefinitionError, match=message):
        load_definitions(text)


WORDS = ["name", "entity", "keys", "features", "dtype", "default", "source", "kind", "sql", "aggregates", "windows"]
WORDS += ["column", "function", "every", "time", "by", "ttl", "timestamp", "created", "tags", "owner", "lookback", "k"]
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.dates() | st.binary(max_size=3)
    | st.sampled_from([*WORDS, *TEXTS, ENDLESS, "batch", "sum", "1h", "int", "decimal(5,2)", "g", "e", "x", "NaN"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.integers(), inner, max_size=8)
    ),
    max_leaves=25,
)  # fmt: skip
FEATURE = st.fixed_dictionaries({"name": st.just("x"), "dtype": PLAIN | st.just("int")}, optional={"default": PLAIN})
SOURCE = st.fixed_dictionaries(
    {"kind": st.just("batch"), "sql": st.just("SELECT 1")},
    optional=dict.fromkeys(("lookback", "every", "time", "by", "schedule"), PLAIN)
    | {
        "aggregates": PLAIN
        | st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(WORDS[-12:], PLAIN)), max_size=2)
    },
)
GROUP = st.fixed_dictionaries(
    {"name": st.just("g"), "entity": st.just("e"), "features": st.lists(FEATURE | PLAIN, min_size=1, max_size=2)},
    optional=dict.fromkeys(("ttl", "timestamp", "created", "tags", "owner"), PLAIN) | {"source": SOURCE | PLAIN},
)


@given(groups=st.lists(GROUP | PLAIN, min_size=1, max_size=2), entities=st.lists(PLAIN, max_size=1))
def test_whatever_yaml_says_loads_or_is_refused(groups, entities):
    import yaml

    text = yaml.safe_dump({"feature_groups": groups, "entities": entities}) + "\n"
    try:
        found = load_definitions(text)
    except DefinitionError:
        return
    assert load_definitions(dump_definitions(found) + "\n") == found


def test_files_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "bytes.yaml").write_bytes(b"entities: \xff\xfe")
    with pytest.raises(DefinitionError, match=r"cannot read .*bytes\.yaml"):
        load_definitions(tmp_path)
    with pytest.raises(DefinitionError, match=r"no YAML file at 'aaa.*: File name too long"):
        load_definitions("a" * 5000)


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_texts_stay_texts_in_yaml(text):
    written = [
        Entity("e", keys={"k": "int"}, description=text, owner=text, tags=[text]),
        FeatureGroup("g", entity="e", features=[Feature("x", "string", default=text)], source=BatchSource(sql=text)),
    ]
    assert load_definitions(dump_definitions(written)) == written


# Cyrillic a, a full width e, the long s and the sign of Kelvin among them.
NAMES = ("", ".", "..", "../e", "e/g", "/etc", "e\\g", "e:g", "e g", "e\n", "e\0", "e`", "e'", "e;--", "-e", "1e", "$e",
         "%65", "\u0430", "\uff45", "\u017f", "\u212a", "e\u200b", "é", "😀", "\ud800", "e.g", "*", "~",
         "n" * 129)  # fmt: skip
NAMED = {
    "entity": lambda name: Entity(name, keys={"k": "int"}),
    "key": lambda name: Entity("e", keys={name: "int"}),
    "feature": lambda name: Feature(name, "int"),
    "group": lambda name: FeatureGroup(name, entity="e", features=X),
    "entity-of-group": lambda name: FeatureGroup("g", entity=name, features=X),
    "timestamp": lambda name: FeatureGroup("g", entity="e", features=X, timestamp=name),
    "created": lambda name: FeatureGroup("g", entity="e", features=X, created=name),
    "column": lambda name: Aggregate(name + "x" * (name == "*"), "sum", "1h"),
    "name-of-aggregate": lambda name: Aggregate("x", "sum", "1h", name=name),
}


@pytest.mark.parametrize("what", NAMED)
@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_names_that_are_none_are_refused_wherever_they_stand(what, name):
    with pytest.raises(DefinitionError, match=r"must match|129 characters|surrogate|NUL"):
        NAMED[what](name)


@pytest.mark.parametrize("what", ["key", "feature", "timestamp", "created"])
def test_names_of_palette_s_own_columns_are_refused(what):
    for name in ("__event", "__created", "__palette_row"):
        with pytest.raises(DefinitionError, match=f"'{name}' begins with '__'.*choose another name"):
            NAMED[what](name)
    with pytest.raises(DefinitionError, match="'_METADATA' is a column that Spark adds to files"):
        NAMED[what]("_METADATA")


def test_longest_names_are_taken():
    for made in NAMED.values():
        made("n" * 128)


@pytest.mark.parametrize(
    "name", ["../m:f", ".m:f", "m:f.g", "m :f", "m:f\n", "m;n:f", "m:f()", ":f", "m:", "m", "__import__('os'):system"]
)
def test_functions_that_are_no_names_are_refused(name):
    with pytest.raises(DefinitionError, match="BatchSource: function"):
        BatchSource(function=name)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        pytest.param(lambda: FeatureGroup("g", "e", X, timestamp="t", ttl=ENDLESS), "ttl: .*longer", id="ttl"),
        pytest.param(lambda: FeatureGroup("g", "e", X, timestamp="t", ttl="99999999999w"), "longer", id="ttl-weeks"),
        pytest.param(lambda: FeatureGroup("g", "e", X, timestamp="t", ttl=1e300), "ttl", id="ttl-number"),
        pytest.param(lambda: FeatureGroup("g", "e", X, timestamp="t", ttl=float("nan")), "ttl", id="ttl-nan"),
        pytest.param(lambda: BatchSource(sql="S", lookback=ENDLESS), "lookback: .*longer", id="lookback"),
        pytest.param(lambda: BatchSource(sql="S", lookback=f"P{ENDLESS}"), "lookback", id="lookback-iso"),
        pytest.param(lambda: BatchSource(sql="S", lookback="-P1D"), "must not be negative", id="lookback-ahead"),
        pytest.param(lambda: BatchSource(sql="S", every=ENDLESS), "every: .*longer", id="every"),
        pytest.param(lambda: Aggregate("x", "sum", [ENDLESS]), "windows: .*longer", id="window"),
        pytest.param(lambda: Aggregate("x", "sum", 5), "windows: expected a list", id="window-number"),
        pytest.param(lambda: Aggregate("x", "percentile", "1h", at=float("nan")), "at must be", id="at"),
        pytest.param(lambda: Feature("x", "decimal(5,2)", "abc"), "'abc' is not a decimal", id="decimal"),
        pytest.param(
            lambda: Feature("x", "decimal(5,2)", "NaN"), r"expected decimal\(5,2\), found .*NaN", id="decimal-nan"
        ),
        pytest.param(lambda: Feature("x", "decimal(5,2)", "1e999999999"), "expected decimal", id="decimal-huge"),
        pytest.param(lambda: Feature("x", "double", 10**5000), "Feature 'x'", id="number-huge"),
        pytest.param(
            lambda: Feature("x", "timestamp", "0001-01-01T00:00:00+23:00"),
            "beyond the years 1 to 9999",
            id="before-time",
        ),
        pytest.param(lambda: Feature("x", "string", "\0"), "NUL character; remove it", id="default-nul"),
        pytest.param(lambda: Feature("x", "string", "\ud800"), "surrogate", id="default-surrogate"),
        pytest.param(lambda: Feature("x", "a" * 1_000_000), "unknown type", id="type"),
        pytest.param(lambda: Feature("x", "struct<a:int>"), "declare its parts as features", id="struct"),
        pytest.param(lambda: Feature("x", "map<string,int>"), r"selectExpr\('\*'", id="map"),
        pytest.param(lambda: Feature("x", "int", tags=["a" * 201]), "tags.0: .*201 characters, the maximum", id="tag"),
        pytest.param(lambda: Feature("x", "int", owner="a" * 201), "owner: .*201 characters", id="owner"),
        pytest.param(lambda: Feature("x", "int", description="a" * 10_001), "10,001 characters", id="description"),
        pytest.param(lambda: RPCSource(url="http://h/\r\nX: y", mapping={}), "http or https", id="url-lines"),
        pytest.param(lambda: RPCSource(url="file:///etc/passwd", mapping={}), "http or https", id="url-file"),
    ],
)
def test_values_beyond_all_bounds_are_refused(made, message):
    with pytest.raises(DefinitionError, match=message) as refused:
        made()
    assert len(str(refused.value)) < 1000


@pytest.mark.parametrize("uri", ["http://u:hunter2@h", "redsi:/u:hunter2@h", "elsewhere?password=hunter2"])
def test_passwords_are_not_shown_of_stores_that_are_none(uri):
    with pytest.raises(ArgumentError, match="no online store at") as refused:
        open_online(uri, {}.__getitem__)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("cache", [{"bogus": 1}, {"size": 1}, {"size": "1", "ttl": 1}, {"size": 0, "ttl": 1}])
def test_a_cache_that_cannot_be_is_refused(cache, tmp_path):
    with pytest.raises(ArgumentError, match="cache"):
        open_online(f"lmdb:{tmp_path}/online", {}.__getitem__, cache=cache)


@pytest.mark.parametrize("url", ["http://u:hunter2@h/", "https://hunter2@h", "http://u:hunter2@h?x=/"])
def test_passwords_are_refused_in_urls_that_everyone_may_read(url):
    with pytest.raises(DefinitionError, match="contains a user or password") as refused:
        RPCSource(url=url, mapping={})
    assert "hunter2" not in str(refused.value)
