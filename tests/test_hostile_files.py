"""Snapshots and bundles that somebody else wrote, or that a disk has damaged: refused, and no crash of the process."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import zipfile

import numpy as np
import pytest

from palette import Snapshot
from palette.definitions import Entity, Feature, FeatureGroup, GroupSchema
from palette.errors import DataError, PaletteError, SnapshotError
from palette.online.table import GroupTable
from palette.serving.bundle import read_bundle, write_bundle
from tests.draws import scaled
from tests.serving.test_bundle import PLAN

NOW = dt.datetime(2026, 1, 2)
FEATURES = [Feature("text", "string"), Feature("list", "array<double>"), Feature("n", "bigint"), Feature("at", "date")]
TABLE = GroupTable(GroupSchema(Entity("e", keys={"k": "string"}), FeatureGroup("g", entity="e", features=FEATURES)))
KEYS = [f"k{number}" for number in range(50)]
TABLE.put(
    TABLE.pack({"k": key, "text": key * number, "list": [1.0] * number, "n": number, "at": dt.date(2026, 1, 1)}, 0)
    for number, key in enumerate(KEYS)
)


@pytest.fixture
def saved(tmp_path):
    Snapshot([TABLE], NOW).save(tmp_path / "saved", memory_map=True)
    return tmp_path / "saved"


def read(path, *, memory_map):
    return Snapshot.load(path, memory_map=memory_map).read({"e:g": KEYS}, now=NOW)["e:g"]


def changed(path, change):
    meta = json.loads((path / "snapshot.json").read_text())
    change(meta, meta["groups"][0])
    (path / "snapshot.json").write_text(json.dumps(meta))


@pytest.mark.parametrize("memory_map", [False, True], ids=["read", "mapped"])
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda meta, one: meta.update(at="0001-01-01T00:00:00+23:00"), id="before-time"),
        pytest.param(lambda meta, one: meta.update(groups={"a": 1}), id="no-list"),
        pytest.param(lambda meta, one: one.update(entity="e"), id="text-for-entity"),
        pytest.param(lambda meta, one: one.update(entity=one["group"]), id="group-for-entity"),
        pytest.param(lambda meta, one: one["entity"].update(name="../e"), id="entity-elsewhere"),
        pytest.param(lambda meta, one: one["group"].update(entity="../../e"), id="group-elsewhere"),
        pytest.param(lambda meta, one: one["group"].update(self=1), id="self"),
        pytest.param(lambda meta, one: one["group"]["features"][2].update(dtype="string"), id="other-type"),
        pytest.param(lambda meta, one: one["group"]["features"].reverse(), id="other-order"),
        pytest.param(lambda meta, one: one.update(file="..", mapped=".."), id="parent"),
        pytest.param(lambda meta, one: one.update(file="a\0", mapped="a\0"), id="nul"),
        pytest.param(lambda meta, one: one.update(file="a" * 5000, mapped="a" * 5000), id="long"),
        pytest.param(lambda meta, one: one.update(file=5, mapped=5), id="number"),
        pytest.param(lambda meta, one: one.update(file="snapshot.json", mapped="snapshot.json"), id="other-file"),
        pytest.param(lambda meta, one: one.update(file="0000.rows", mapped="0000.arrow"), id="exchanged"),
        pytest.param(lambda meta, one: one.update(rows=10**30), id="rows"),
    ],
)
def test_descriptions_of_snapshots_that_do_not_fit_are_refused(saved, change, memory_map):
    changed(saved, change)
    with pytest.raises(PaletteError):
        read(saved, memory_map=memory_map)


@pytest.mark.parametrize("text", ["[" * 100_000, "null", '"x"', "{}"], ids=lambda text: text[:4])
def test_descriptions_that_are_none_are_refused(saved, text):
    (saved / "snapshot.json").write_text(text)
    for ask in (Snapshot.load, Snapshot.is_mapped):
        with pytest.raises(SnapshotError, match="no complete snapshot at"):
            ask(saved)


def test_files_beside_a_snapshot_are_not_read(saved, tmp_path):
    (tmp_path / "secret.arrow").write_bytes((saved / "0000.arrow").read_bytes())
    changed(saved, lambda meta, one: one.update(file="../secret.arrow"))
    with pytest.raises(SnapshotError, match=r"saved/secret\.arrow"):
        read(saved, memory_map=False)


def test_damaged_rows_are_refused_or_other_rows(saved, rng):
    """Arrow believes what a file says of itself; unchecked, a few of these end the process."""
    file = saved / "0000.arrow"
    good, refused, count = file.read_bytes(), 0, scaled(500)
    for _ in range(count):
        damaged = bytearray(good)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.choice([0, 127, 128, 255, rng.randrange(256)])
        file.write_bytes(damaged[: rng.choice([len(damaged), rng.randrange(len(damaged))])])
        try:
            assert len(read(saved, memory_map=False)) == len(KEYS)
        except PaletteError:
            refused += 1
    assert refused > 0.3 * count


def test_a_snapshot_takes_the_place_of_what_a_link_points_to(saved, tmp_path):
    (tmp_path / "current").symlink_to(saved)
    (tmp_path / "next").symlink_to(tmp_path / "absent")
    for name in ("current", "next"):
        Snapshot([], NOW).save(tmp_path / name)
        assert (tmp_path / name).is_symlink()
        assert Snapshot.load(tmp_path / name).groups == ()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["absent", "current", "next", "saved"]


def npz(content, name="a0.npy"):
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr(name, content)
    return sink.getvalue()


def header(text):
    text = text.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def pickled():
    sink = io.BytesIO()
    np.savez(sink, a0=np.array([object()]))
    return sink.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("plan.json", b"[" * 100_000, id="deep"),
        pytest.param("plan.json", b"[]", id="list"),
        pytest.param("plan.json", b"\xff", id="bytes"),
        pytest.param("plan.json", b'{"steps": [{"step": "os.system"}], "outputs": []}', id="other-step"),
        pytest.param("selftest.json", b"[" * 100_000, id="deep-test"),
        pytest.param("arrays.npz", b"junk", id="no-arrays"),
        pytest.param("arrays.npz", pickled(), id="pickle"),
        pytest.param("arrays.npz", b"PK\x03\x04" + bytes(100), id="no-zip"),
        pytest.param("arrays.npz", npz(b"x")[:60], id="cut"),
        pytest.param("arrays.npz", npz(b"no array"), id="no-array"),
        pytest.param("arrays.npz", npz(header("(" * 100)), id="odd-header"),
        pytest.param(
            "arrays.npz",
            npz(header("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000,), }")),
            id="huge",
        ),
        pytest.param("arrays.npz", npz(b"x", "../../a0.npy"), id="elsewhere"),
    ],
)
def test_bundles_with_true_checksums_and_false_content_are_refused(tmp_path, name, content):
    bundle = tmp_path / "in" / "bundle"
    write_bundle(PLAN, bundle)
    manifest = json.loads((bundle / "bundle.json").read_text())
    manifest["files"][name] = f"sha256:{hashlib.sha256(content).hexdigest()}"
    (bundle / "bundle.json").write_text(json.dumps(manifest))
    (bundle / name).write_bytes(content)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DataError, match=r"no complete bundle at|unknown step"):
        read_bundle(bundle)
    assert sorted(tmp_path.rglob("*")) == before
