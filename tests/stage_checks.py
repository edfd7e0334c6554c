"""What every public stage must do: a conformance suite, in the manner of scikit-learn's estimator checks.

A check takes a :class:`Subject` and raises AssertionError. ``tests/test_stages.py`` finds the stages and runs every
check on each; ``ALL`` is the list of checks.
"""

from __future__ import annotations

import inspect
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest
from pyspark.ml import Estimator
from pyspark.ml.param import TypeConverters
from pyspark.sql import functions as F

from dsl import DslError
from palette.errors import PaletteError
from tests.eats import NOW, differences, orders, rows_of, scored

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import DataFrame

    from palette.online import Snapshot

REFUSALS = (PaletteError, DslError)
# Params that only fit or saving sets: there is no setter for them.
FITTED = {"formatVersion", "bindings", "statistics", "pins", "pinnedTables", "inputTypes", "planned", "selfTest"}
FITTED |= {"localForms", "runtime", "ttls"}
# Constructor words that stand for another Param.
WORDS = {"store": "storeUri"}


@dataclass(frozen=True)
class Subject:
    """A stage ready to run, and what it runs on.

    Parameters
    ----------
    stage : Transformer or Estimator
        Configured.
    basis : DataFrame
        What it takes, with a column ``id``.
    inputs : dict of str to str
        Columns of the basis without which it cannot do, and what the refusal names.
    outputs : tuple of str
        Columns that it adds.
    at : callable
        Turns orders, all of one time, into its basis: what ``score_instance`` is compared on.
    snapshot : Snapshot
        The newest values at ``NOW``.
    """

    stage: Any
    basis: DataFrame
    inputs: dict[str, str]
    outputs: tuple[str, ...]
    at: Callable[[DataFrame], DataFrame]
    snapshot: Snapshot

    @property
    def is_estimator(self) -> bool:
        """Whether it must be fitted first."""
        return isinstance(self.stage, Estimator)

    @cached_property
    def ready(self) -> Any:
        """A transformer: the stage, fitted where need be."""
        return self.stage.fit(self.basis) if self.is_estimator else self.stage

    @cached_property
    def answer(self) -> dict[Any, dict[str, Any]]:
        """The rows that come out."""
        return self.of(self.basis)

    def of(self, basis: DataFrame) -> dict[Any, dict[str, Any]]:
        """Return the rows that come out of another basis."""
        return rows_of(self.ready.transform(basis))


def check_default_constructible(subject: Subject) -> None:
    """The reader makes a stage without arguments."""
    stage = type(subject.stage)()
    assert stage.uid.startswith(type(stage).__name__)
    for param in stage.params:
        if stage.hasDefault(param):
            assert stage.getOrDefault(param) is not None, f"{param.name} has None as default: it could not be loaded"
        assert param.typeConverter is not TypeConverters.identity, f"{param.name} has no converter"


def check_keyword_only_matches_params(subject: Subject) -> None:
    """Constructor, ``setParams``, Params, getters and setters tell the same story."""
    stage = type(subject.stage)()
    names = {WORDS.get(word, word) for word in keywords(type(stage).__init__)}
    assert names <= {param.name for param in stage.params} | {"stages"}
    if hasattr(stage, "setParams"):
        assert names <= {WORDS.get(word, word) for word in keywords(stage.setParams)}
        settable = {param.name for param in stage.params} - FITTED
        assert settable <= names | {"stages"}, f"{settable - names} cannot be given"
    copy = subject.stage.copy()
    for param in copy.params:
        title = param.name[0].upper() + param.name[1:]
        if param.name != "formatVersion":
            assert callable(getattr(copy, f"get{title}")), f"no get{title}"
        if param.name not in FITTED and copy.isSet(param) and not is_model(copy, param.name):
            assert getattr(copy, f"set{title}")(copy.getOrDefault(param)) is copy, f"set{title} returns the stage"


def check_none_is_unset(subject: Subject) -> None:
    """A None is not stored: Spark could not load it."""
    cls = type(subject.stage)
    words = keywords(cls.__init__)
    stage = cls(**dict.fromkeys(words)) if words else cls()
    assert not stage._paramMap
    if hasattr(stage, "setParams"):
        before = dict(subject.stage._paramMap)
        subject.stage.setParams(**dict.fromkeys(keywords(stage.setParams)))
        assert subject.stage._paramMap == before


def check_schema_agrees(subject: Subject) -> None:
    """``transformSchema`` tells what ``transform`` gives, by name and type."""
    told = subject.stage.transformSchema(subject.basis.schema)
    given = subject.ready.transform(subject.basis).schema
    assert [(field.name, field.dataType) for field in told] == [(field.name, field.dataType) for field in given]


def check_missing_input_raises(subject: Subject) -> None:
    """A missing column is refused by name, before anything runs."""
    ready = subject.ready
    for column, named in subject.inputs.items():
        less = subject.basis.drop(column)
        with pytest.raises(REFUSALS, match=f"'{named}'"):
            subject.stage.transformSchema(less.schema)
        with pytest.raises(REFUSALS, match=f"'{named}'"):
            subject.stage.fit(less) if subject.is_estimator else ready.transform(less)


def check_existing_output_raises(subject: Subject) -> None:
    """An output column that exists is refused by name, and not overwritten."""
    ready = subject.ready
    for column in subject.outputs:
        more = subject.basis.withColumn(column, F.lit(1))
        # Spark's own stages speak for themselves.
        with pytest.raises(Exception, match=column):
            subject.stage.transformSchema(more.schema)
        with pytest.raises(Exception, match=column):
            ready.transform(more)


def check_copy_is_independent(subject: Subject) -> None:
    """A copy is the same stage, and what is set on it stays with it."""
    copy = subject.stage.copy()
    assert copy is not subject.stage
    assert type(copy) is type(subject.stage)
    before = dict(subject.stage._paramMap)
    assert dict(copy._paramMap).keys() == before.keys()
    for param in [param for param in copy.params if copy.isSet(param)]:
        copy.clear(param)
    assert dict(subject.stage._paramMap) == before
    inner, inner_copy = stages_of(subject.stage), stages_of(subject.stage.copy())
    assert [stage.uid for stage in inner] == [stage.uid for stage in inner_copy]
    assert not {id(stage) for stage in inner} & {id(stage) for stage in inner_copy}
    param = subject.stage.getParam("formatVersion")
    assert subject.stage.copy({param: 1}).isSet(param)
    assert not subject.stage.isSet(param)


def check_uid_kept(subject: Subject) -> None:
    """A copy and a fitted model have the uid of their stage, so that its Params reach them."""
    assert subject.stage.copy().uid == subject.stage.uid
    assert subject.ready.uid == subject.stage.uid
    assert type(subject.stage)().uid != subject.stage.uid


def check_transform_is_pure(subject: Subject) -> None:
    """The basis comes out as it went in, twice the same, and the stage does not change."""
    ready = subject.ready
    params = dict(ready._paramMap)
    first = subject.answer
    assert not differences(first, subject.of(subject.basis))
    basis = rows_of(subject.basis)
    kept = {key: {column: row[column] for column in basis[key]} for key, row in first.items()}
    assert not differences(basis, kept)
    assert dict(ready._paramMap) == params


def check_lazy(subject: Subject) -> None:
    """``transform`` never executes the basis: here it would fail at the first row."""
    bad = F.when(F.col("id") >= 0, F.raise_error(F.lit("the basis was executed"))).cast("string")
    poisoned = subject.basis.withColumn("poison", bad)
    transformed = subject.ready.transform(poisoned)
    with pytest.raises(Exception, match="the basis was executed"):
        transformed.collect()


def check_partitioning_has_no_effect(subject: Subject) -> None:
    """One partition, seven, or by a hash: the same rows."""
    for other in (subject.basis.coalesce(1), subject.basis.repartition(5, "r_id")):
        assert not differences(subject.answer, subject.of(other))


def check_column_order_has_no_effect(subject: Subject) -> None:
    """Columns are found by name."""
    turned = subject.basis.select(*(f"`{name}`" for name in reversed(subject.basis.columns)))
    assert not differences(subject.answer, subject.of(turned))


def check_score_instance_agrees(subject: Subject) -> None:
    """One row by itself gives what ``transform`` gives, at the snapshot's time."""
    ready = subject.ready
    basis = subject.at(orders(subject.basis.sparkSession, rows=12, at=NOW))
    answer = rows_of(ready.transform(basis))
    asked = [row.asDict() for row in basis.collect()]
    options = {"store": subject.snapshot, "now": NOW} if hasattr(ready, "setStore") else {}
    expected = {key: {column: row[column] for column in row if column not in basis.columns or column in subject.outputs}
                for key, row in answer.items()}  # fmt: skip
    assert set(next(iter(expected.values()))) >= set(subject.outputs)
    assert not differences(expected, scored(ready, asked, **options))
    assert ready.scoreInstance(asked[0], **options).keys() == expected[asked[0]["id"]].keys()


def check_threads(subject: Subject) -> None:
    """One stage serves many threads, rows and frames at once."""
    ready, answer = subject.ready, subject.answer
    row = {name: value for name, value in next(iter(answer.values())).items() if name in subject.basis.columns}
    row["at"] = NOW  # the snapshot's
    options = {"store": subject.snapshot, "now": NOW} if hasattr(ready, "setStore") else {}
    one = ready.score_instance(row, **options)
    with ThreadPoolExecutor(4) as pool:
        frames = [pool.submit(subject.of, subject.basis) for _ in range(3)]
        many = [pool.submit(ready.copy().score_instance, row, **options) for _ in range(50)]
        many += [pool.submit(ready.score_instance, row, **options) for _ in range(50)]
        assert not any(differences(answer, frame.result()) for frame in frames)
        assert not any(differences({0: one}, {0: each.result()}) for each in many)


ALL = [value for name, value in list(globals().items()) if name.startswith("check_")]


def is_model(stage: Any, param: str) -> bool:
    """Tell whether a Param is fixed by fit."""
    return type(stage).__name__ == "DSLModel" and param == "lambdas"


def keywords(function: Any) -> list[str]:
    """Return the keyword-only parameters."""
    parameters = inspect.signature(function).parameters.values()
    positional = [
        parameter.name
        for parameter in parameters
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and parameter.name not in ("self", "stages")
    ]
    assert not positional, f"{positional} can be given by position"
    return [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]


def stages_of(stage: Any) -> list[Any]:
    """Return the stages inside a stage."""
    if hasattr(stage, "getStages"):
        return stage.getStages()
    found = getattr(stage, "stages", [])
    return found if isinstance(found, list) else []
