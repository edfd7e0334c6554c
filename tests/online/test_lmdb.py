"""LMDB: a file that processes share, and that outlives them."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from pathlib import Path

import pytest

from palette.definitions import Feature, FeatureGroup
from palette.errors import StoreError
from palette.online import LmdbStore
from tests.online import writers
from tests.online.test_redis import KNOWN, PLACE, T0, A, write, x_of

ROOT = Path(__file__).parent.parent.parent
HOUR = dt.timedelta(hours=1)


def open_store(path, known=KNOWN, **options):
    return LmdbStore(path / "store", known.__getitem__, **options)


def test_rows_outlive_the_process_and_the_definition(tmp_path):
    known = {A.full_name: (PLACE, A)}
    write(open_store(tmp_path, known))
    known[A.full_name] = (PLACE, FeatureGroup("a", PLACE, [Feature("y", "string"), *A.features], timestamp="ts"))
    store = open_store(tmp_path, known)
    assert store.fetch([(A.full_name, "k")])[0][2:] == (None, 1.0)
    command = [sys.executable, "-c", READ, str(tmp_path / "store")]
    assert subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip() == "1.0"


READ = """
import sys
from palette.online import LmdbStore
from tests.online.test_redis import KNOWN, x_of
print(x_of(LmdbStore(sys.argv[1], KNOWN.__getitem__, readonly=True)))
"""


def test_store_of_another_machine_at_the_same_path_is_another_one(tmp_path):
    here = open_store(tmp_path)
    assert here.identity() is None
    assert not (tmp_path / "store").exists(), "to ask makes nothing"
    target = here.identity(make=True)
    assert (here.identity(), here.identity(make=True)) == (target, target)
    here.close()
    (tmp_path / "store").rename(tmp_path / "elsewhere")
    there = open_store(tmp_path)
    write(there)
    assert (there.address, there.identity(), there.holds(A.full_name)) == (here.address, None, True)
    assert there.identity(make=True) not in (None, target)


def test_processes_agree(tmp_path):
    command = [sys.executable, "-m", "tests.online.writers", "lmdb", str(tmp_path / "store")]
    running = [subprocess.Popen([*command, str(seed)], cwd=ROOT) for seed in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    store = writers.open_store("lmdb", tmp_path / "store")
    keys = [f"k{key}" for key in range(writers.KEYS)]
    assert store.read({writers.GROUP.full_name: keys}, T0)[writers.GROUP.full_name] == [writers.WINNER] * len(keys)


def test_stores_of_a_process_share_the_file(tmp_path):
    one, other = open_store(tmp_path), open_store(tmp_path)
    write(one)
    assert x_of(other) == 1.0
    one.close()
    write(other, x=2.0, event=1)
    assert x_of(one) == 2.0


def test_a_forked_process_opens_it_anew(tmp_path):
    store = open_store(tmp_path)
    write(store)
    child = os.fork()
    if child == 0:
        good = x_of(store) == 1.0 and write(store, x=2.0, event=1) == 1 and x_of(store) == 2.0
        os._exit(0 if good else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert x_of(store) == 2.0


def test_a_full_store_says_so_and_keeps_what_it_has(tmp_path):
    texts = FeatureGroup("texts", PLACE, [Feature("s", "string")])
    store = open_store(tmp_path, {texts.full_name: (PLACE, texts)}, size=1 << 17)
    store.write(texts, [{"id": "k", "s": "kept"}])
    with pytest.raises(StoreError, match=r"LmdbStore\(.*is full: open it with size= above 131,072 bytes"):
        store.write(texts, [{"id": f"k{n}", "s": "x" * 5000} for n in range(100)])
    found = store.read({texts.full_name: ["k", "k1"]})[texts.full_name]
    assert [row["s"] for row in found] == ["kept", None]


def test_readers_cannot_write_and_need_a_store(tmp_path):
    with pytest.raises(StoreError, match=r"LmdbStore\(.*cannot be opened"):
        x_of(open_store(tmp_path, readonly=True))
    writer = open_store(tmp_path)
    write(writer)
    writer.close()
    reader = open_store(tmp_path, readonly=True)
    assert x_of(reader) == 1.0
    with pytest.raises(StoreError, match="open it without readonly"):
        write(reader, event=1)


def test_what_is_no_store_is_refused(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "data.mdb").write_text("years of work" * 1000)
    with pytest.raises(StoreError, match="cannot be opened"):
        x_of(open_store(tmp_path))
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be opened"):
        x_of(LmdbStore(tmp_path / "file", KNOWN.__getitem__))


def test_damaged_rows_are_told_and_mended(tmp_path):
    store = open_store(tmp_path)
    write(store)
    with store._transaction(write=True) as transaction:
        transaction.put(b"place:a/s:k", b"nonsense")
    with pytest.raises(StoreError, match="place:a: a stored row is damaged"):
        x_of(store)
    assert write(store, x=2.0) == 1
    assert x_of(store) == 2.0


def test_a_failed_write_writes_nothing(tmp_path):
    store = open_store(tmp_path)
    write(store, key="before")
    with store._transaction(write=True) as transaction:
        transaction.put(b"place:a/s:newer", b"\x09" + b"\0" * 30)
    rows = [{"id": key, "x": 5.0, "ts": T0 + HOUR} for key in ("before", "newer", "after")]
    with pytest.raises(StoreError, match="version 9"):
        store.write(A, rows)
    assert x_of(store, "before") == 1.0
    assert x_of(store, "after") is None
