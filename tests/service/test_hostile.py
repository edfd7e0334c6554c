"""Hostile requests: whatever comes, an answer comes back, in JSON, that is no failure of the service."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palette.serving.plan import Plan
from palette.serving.stages.features.assembler import VectorAssembler
from tests.service.asked import Asked, basis_plan, saved
from tests.serving.test_plan import PLAN

COLUMNS = ("r_id", "city", "o", "num", "x", "at", "v", "w", "flag")
KNOWN_TEXTS = ["r1", "ewr", "NaN", "Infinity", "2026-01-01T00:00:00Z", "0001-01-01", "\0", "ß" * 99]
TEXTS = st.text(max_size=20) | st.sampled_from(KNOWN_TEXTS)
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
    | st.sampled_from([2**53, 2**63, 2**64, -(2**63) - 1, 10**400, 1e308, -0.0])
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["size", "indices", "values", "a"]), inner, max_size=4)
    ),
    max_leaves=12,
)
SOME = st.dictionaries(st.sampled_from(COLUMNS) | st.text(max_size=5), VALUES, max_size=6)
ROWS = SOME | SOME.map(lambda row: dict.fromkeys(COLUMNS) | row) | VALUES
BODIES = (
    st.fixed_dictionaries({"row": ROWS}, optional={"now": VALUES})
    | st.fixed_dictionaries({"rows": st.lists(ROWS, max_size=4) | VALUES}, optional={"now": VALUES})
    | VALUES
)


SEEN = set()


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    home = tmp_path_factory.mktemp("hostile")
    basis = basis_plan(
        {"x2": "nVal('basis:x') * 2", "h": "hour(tVal('basis:at'))", "u": "vVal('basis:v')", "f": "bVal('basis:flag')"},
        x="double", at="timestamp", v="array<double>", flag="boolean",
    )  # fmt: skip
    assembler = VectorAssembler(("x2", "w"), ("features",), "skip")
    plan = Plan((*PLAN.steps, *basis.steps, assembler), (*PLAN.outputs, *basis.outputs, "features"), {"w": "vector"})
    return Asked(saved(home, plan))


@given(bodies=st.lists(BODIES, min_size=10, max_size=10), route=st.sampled_from(["score", "features"]))
def test_hostile_requests(asked, bodies, route):
    async def ask():
        transport = httpx.ASGITransport(asked.service)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return [await client.post(f"/v1/models/eta/{route}", content=json.dumps(body).encode()) for body in bodies]

    for body, answer in zip(bodies, asyncio.run(ask()), strict=True):
        assert answer.status_code in (200, 400, 413, 422), (body, answer.text)
        SEEN.add(answer.status_code)
        json.loads(answer.content, parse_constant=pytest.fail)


def test_some_of_them_were_answered():
    assert {200, 400, 422} <= SEEN


METHODS = st.sampled_from(["GET", "POST", "PUT", "HEAD"])


@given(content=st.binary(max_size=200), path=st.text(max_size=30), method=METHODS)
def test_any_bytes_on_any_path(asked, content, path, method):
    async def ask():
        sent = []
        parts = iter([{"type": "http.request", "body": content, "more_body": False}])

        async def receive():
            return next(parts, {"type": "http.disconnect"})

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http", "method": method, "path": "/" + path, "raw_path": b"/", "headers": [], "query_string": b"",
            "http_version": "1.1", "scheme": "http", "root_path": "", "server": ("test", 80), "client": ("test", 1),
        }  # fmt: skip
        await asked.service(scope, receive, send)
        return sent

    assert asyncio.run(ask())[0]["status"] < 500
