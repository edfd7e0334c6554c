"""Random tests: how many cases they draw, from which seed, and how a failure is replayed.

The profile is ``PALETTE_TEST_PROFILE``, the seed of tests that draw by themselves ``PALETTE_TEST_SEED``.
"""

from __future__ import annotations

import os
import random
import secrets

import pytest
from hypothesis import settings

__all__ = ["is_ci", "load_profile", "rng", "scaled"]

PROFILE, SEED = "PALETTE_TEST_PROFILE", "PALETTE_TEST_SEED"
USUAL = 100


def load_profile() -> None:
    """Register the profiles, and load the chosen one.

    ``ci`` draws the same few cases each time: a push is red for what it changes, not for what it happens to draw.
    ``dev`` and ``nightly`` draw other cases each time; what fails is printed as a blob to decorate the test with.
    """
    settings.register_profile("ci", max_examples=25, deadline=None, derandomize=True, print_blob=True)
    settings.register_profile("dev", max_examples=USUAL, deadline=None, print_blob=True)
    settings.register_profile("nightly", max_examples=400, deadline=None, print_blob=True)
    settings.load_profile(os.environ.get(PROFILE, "dev"))


def is_ci() -> bool:
    """Return whether the profile is the one of a push."""
    return os.environ.get(PROFILE) == "ci"


def scaled(count: int, least: int = 1) -> int:
    """Return how many cases the profile draws where ``dev`` draws a count: a quarter in ``ci``, nightly four times."""
    return max(least, count * settings().max_examples // USUAL)


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Draws of one test, other ones for each of its parameters; pytest shows the seed when the test fails."""
    seed = os.environ.get(SEED) or ("0" if settings().derandomize else str(secrets.randbelow(1 << 32)))
    print(f"the same draws again: {SEED}={seed}")
    return random.Random(f"{seed} {request.node.name}")
