"""Names of features and basis columns."""

from __future__ import annotations

import pytest

from dsl.errors import RefError
from dsl.refs import BasisRef, FeatureRef, parse_ref

param = pytest.param


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        param("restaurant:orders:prep_time:r_id", "restaurant:orders:prep_time:r_id", id="feature"),
        param("@palette:restaurant:orders:prep_time:r_id", "restaurant:orders:prep_time:r_id", id="palette"),
        param("palette:restaurant:orders:x:r_id", None, id="palette without the sign"),
        param("route:delays:mean:origin,dest", "route:delays:mean:origin,dest", id="composite"),
        param("basis:order_size", "basis:order_size", id="basis"),
        param("@basis:order_size", "basis:order_size", id="at basis"),
        param("_e:_g:_f:_k", "_e:_g:_f:_k", id="underscores"),
    ],
)
def test_name_canonical(text, expected):
    if expected is None:
        with pytest.raises(RefError):
            parse_ref(text)
        return
    ref = parse_ref(text)
    assert str(ref) == ref.name == expected
    assert parse_ref(str(ref)) == ref


@pytest.mark.parametrize(
    ("text", "says"),
    [
        param("a:b:c", "found 3 parts", id="too few"),
        param("a:b:c:d:e", "found 5 parts", id="too many"),
        param("", "found 1 part", id="empty"),
        param("city", "found 1 part", id="bare"),
        param(":b:c:d", "entity is empty", id="no entity"),
        param("a::c:d", "feature group is empty", id="no group"),
        param("a:b::d", "feature is empty", id="no feature"),
        param("a:b:c:", "join key is empty", id="no key"),
        param("a:b:c:d,", "join key is empty", id="trailing comma"),
        param("a:b:c:d,d", "duplicate join key", id="key twice"),
        param("1a:b:c:d", "entity '1a'", id="digit first"),
        param("a:b-c:d:e", "feature group 'b-c'", id="dash"),
        param("a:b:ü:e", "feature 'ü'", id="not ascii"),
        param("a:b:c:d e", "join key 'd e'", id="space"),
        param("a:b:c:d\n", "join key", id="line end"),
        param("palette:b:c:d", "reserved", id="reserved palette"),
        param("@palette:basis:b:c:d", "reserved", id="reserved basis"),
        param("basis:a:b", "basis:column", id="basis with parts"),
        param("basis:", "column is empty", id="basis without column"),
        param("@entity:b:c:d", "entity '@entity'", id="other sign"),
        param("@palette:basis:x", "found 2 parts", id="palette basis"),
    ],
)
def test_name_malformed(text, says):
    with pytest.raises(RefError, match=says) as caught:
        parse_ref(text)
    assert isinstance(caught.value, ValueError)


def test_name_not_text():
    with pytest.raises(RefError, match="found int"):
        parse_ref(3)


def test_references_built_in_python_are_checked():
    assert str(FeatureRef("a", "b", "c", ("d", "e"))) == "a:b:c:d,e"
    with pytest.raises(RefError, match="no join key"):
        FeatureRef("a", "b", "c", ())
    with pytest.raises(RefError, match="column 'x y'"):
        BasisRef("x y")
