"""Expressions as users run them: Spark compiles them to Java, which the tests of a push leave out elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

COMPILED = {"spark.sql.codegen.wholeStage": "true", "spark.sql.codegen.factoryMode": "FALLBACK"}


@pytest.fixture(autouse=True, scope="module")
def compiled(request: pytest.FixtureRequest) -> Iterator[None]:
    """Have Spark compile expressions, in modules that use it."""
    own = [item for item in request.session.items if item.path == request.path]
    if not any("spark" in getattr(item, "fixturenames", ()) for item in own):
        yield
        return
    spark = request.getfixturevalue("spark")
    before = {name: spark.conf.get(name) for name in COMPILED}
    for name, value in COMPILED.items():
        spark.conf.set(name, value)
    yield
    for name, value in before.items():
        spark.conf.set(name, value)
