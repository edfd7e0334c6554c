"""A service in this process, and a client that asks it over ASGI."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

import httpx

from dsl import Binding, parse
from palette.online import MemoryStore, Snapshot
from palette.service.app import Service
from palette.service.settings import Settings
from palette.serving import LocalPipeline
from palette.serving.plan import DslStep, Plan
from tests.serving.test_plan import HOUR, KNOWN, NOW, PLAN, order

__all__ = ["BODY", "Asked", "basis_plan", "filled", "saved", "with_changes"]

BODY = {"row": order(r_id="r1", city="ewr", num=7), "now": "2026-01-01T12:00:00Z"}


class Asked:
    """A service, asked one thing at a time."""

    def __init__(self, settings: Settings, tokens=()):
        self.service = Service(settings, tokens)

    def __call__(self, method, path, **options):
        async def ask():
            transport = httpx.ASGITransport(self.service)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.request(method, path, **options)

        return asyncio.run(ask())

    def get(self, path, **options):
        return self("GET", path, **options)

    def post(self, path, body=None, **options):
        if body is not None:
            options["json"] = body
        return self("POST", path, **options)

    def metrics(self):
        """Return the figures: name with labels to value."""
        lines = self.get("/metrics").text.splitlines()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def filled(store=None):
    """Return a store with a row for each group of the plan."""
    store = store or MemoryStore(KNOWN.__getitem__)
    store.write("restaurant:fg", [{"uuid": "r1", "ts": NOW - HOUR, "written": None, "x": 1.5, "n": 3}])
    store.write("route:pairs", [{"origin": "EWR", "number": 7, "v": [1, 2]}])
    return store


def saved(home, plan=PLAN, name="eta"):
    """Write a bundle and a snapshot; return settings that serve them."""
    LocalPipeline(plan).save(home / name)
    store = filled()
    Snapshot([store.table(group) for group in KNOWN], NOW).save(home / "snapshot")
    return Settings(((name, str(home / name)),), store=str(home / "snapshot"))


def basis_plan(lambdas, **types):
    """Return a plan of one step that reads columns of the row only."""
    bindings = {f"basis:{column}": asdict(Binding(column, dtype)) for column, dtype in types.items()}
    step = DslStep({name: str(parse(text)) for name, text in lambdas.items()}, bindings, {})
    return Plan((step,), tuple(lambdas))


def with_changes(settings, **changes):
    """Return settings with changes, validated again."""
    return Settings(**{**dict(settings), **changes})
