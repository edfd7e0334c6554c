"""What a terminal of 80 columns shows."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

from palette import Entity, Feature, FeatureGroup
from palette.catalog import ModelRecord
from palette.store import FeatureStore

# Rich knows an emoji of this name.
GROUP = "restaurant:car"
FEATURE = f"{GROUP}:mean_minutes_from_the_order_to_the_pick_up_28d"
BUNDLE = f"/srv/palette/store/models/eta/{'0123456789abcdef' * 4}"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    home = tmp_path_factory.mktemp("wide") / "store"
    store = FeatureStore(home)
    feature = Feature(FEATURE.rpartition(":")[2], "array<double>", description="of the last 28 days " * 4)
    store.apply(
        Entity("restaurant", keys={"restaurant_uuid": "string"}),
        FeatureGroup("car", entity="restaurant", features=[feature]),
    )
    store.catalog.models.record_all([ModelRecord("eta", {FEATURE: 0.5}, "production", BUNDLE)], who="ada")
    return home


def on_terminal(*command, columns=80):
    """Return what a terminal shows of a command, without its colours."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    with subprocess.Popen(
        [sys.executable, "-m", "palette", *command], stdout=its, stderr=its, env=environment | {"TERM": "xterm"}
    ) as process:
        os.close(its)
        shown = b""
        # The end of a terminal whose other side is closed is an error.
        with contextlib.suppress(OSError):
            while some := os.read(ours, 65536):
                shown += some
    os.close(ours)
    assert process.returncode == 0, shown
    return re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("command", "whole"),
    [
        (("search",), [f"{FEATURE}:restaurant_uuid", "array<double>"]),
        (("models", "eta"), [BUNDLE, FEATURE, "production"]),
    ],
    ids=["search", "models"],
)
def test_names_are_whole_on_a_narrow_terminal(store, command, whole):
    shown = on_terminal(*command, "--config", str(store))
    assert [one for one in whole if one not in shown.split()] == []


def test_texts_stay_within_a_narrow_terminal(store):
    lines = on_terminal("models", "--config", str(store)).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[1].split()[:5] == ["eta", "1", "1", "1", "ada"]
