"""Bundles: a plan as a directory of JSON and npz, checksummed, written completely or not at all.

Long lists of numbers are in ``arrays.npz``; without it, numpy is not needed to read a bundle.
"""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

from dsl.errors import DslError
from palette.errors import DataError, PaletteError
from palette.paths import COPY_HERE, COPY_THERE, local_path
from palette.serving.plan import Plan
from palette.serving.self_test import SelfTest
from palette.serving.zones import check_zones

__all__ = ["read_bundle", "write_bundle"]

FORMAT = 1
MANIFEST, PLAN, ARRAYS, SELF_TEST = "bundle.json", "plan.json", "arrays.npz", "selftest.json"
# Lists of numbers longer than this are arrays.
LONG = 4096
ARRAY = "__array__"


def write_bundle(plan: Plan, path: str | Path, self_test: SelfTest | None = None) -> None:
    """Write a plan to a directory; an older bundle there is replaced.

    Parameters
    ----------
    plan : Plan
        What to write.
    path : str or Path
        A local directory, or its ``file:`` URI.
    self_test : SelfTest, optional
        Rows with known answers, checked when the bundle is read.

    Raises
    ------
    DataError
        If ``path`` exists and is not a bundle.
    DefinitionError
        If the path is not local.
    """
    path = local_path(path, "a bundle", COPY_THERE)
    arrays: dict[str, list[Any]] = {}
    files = {PLAN: _json(_extract_arrays(plan.to_json(), arrays))}
    if arrays:
        files[ARRAYS] = _npz(arrays)
    if self_test is not None:
        files[SELF_TEST] = _json(self_test.to_json())
    manifest = {"format": FORMAT, "files": {name: _checksum(content) for name, content in files.items()}}
    from palette.atomic_directory import replace_directory  # Who only reads bundles does without it.

    with replace_directory(path, MANIFEST) as fresh:
        for name, content in files.items():
            (fresh / name).write_bytes(content)
        (fresh / MANIFEST).write_bytes(_json(manifest))


def read_bundle(path: str | Path) -> Plan:
    """Read the plan of a bundle.

    Raises
    ------
    DataError
        If there is no bundle, it is damaged, a newer release wrote it, or its self-test gives other
        answers here.

    Warns
    -----
    TimeZoneWarning
        If a time zone that it reads has other rules here than where it was fitted.
    """
    path = local_path(path, "a bundle", COPY_HERE)
    try:
        manifest = json.loads((path / MANIFEST).read_text("utf-8"))
        if manifest["format"] != FORMAT:
            raise DataError(f"{str(path)!r} has format {manifest['format']}; this release reads {FORMAT}")
        files = {}
        for name in (PLAN, ARRAYS, SELF_TEST):
            if name in manifest["files"]:
                files[name] = (path / name).read_bytes()
                if _checksum(files[name]) != manifest["files"][name]:
                    raise DataError(f"{str(path)!r} is damaged: {name} has another checksum; save the bundle again")
        arrays = _from_npz(files[ARRAYS]) if ARRAYS in files else {}
        plan = Plan.from_json(_insert_arrays(json.loads(files[PLAN]), arrays))
        check_zones(plan.runtime)
        if SELF_TEST in files:
            SelfTest.from_json(json.loads(files[SELF_TEST])).check(plan, str(path))
    except (PaletteError, DslError):
        raise
    except (OSError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise DataError(f"no complete bundle at {str(path)!r}: {_reason(error, path)}") from error
    return plan


def _reason(error: Exception, path: Path) -> str:
    """Return what is wrong with a directory."""
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"there is no {Path(error.filename).name}" if path.is_dir() else "there is no such directory"
    if isinstance(error, OSError):
        return f"{error.strerror or error}"
    return f"content that no release of palette writes, {type(error).__name__}: {error}"


def _json(plain: Any) -> bytes:
    return json.dumps(plain, indent=1, allow_nan=False).encode()


def _checksum(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _extract_arrays(plain: Any, arrays: dict[str, list[Any]]) -> Any:
    """Return JSON with long lists of numbers moved to ``arrays``."""
    if isinstance(plain, dict):
        return {key: _extract_arrays(value, arrays) for key, value in plain.items()}
    if not isinstance(plain, list):
        return plain
    if len(plain) > LONG and set(map(type, plain)) in ({float}, {int}):
        name = f"a{len(arrays)}"
        arrays[name] = plain
        return {ARRAY: name}
    return [_extract_arrays(value, arrays) for value in plain]


def _insert_arrays(plain: Any, arrays: dict[str, list[Any]]) -> Any:
    if not arrays:
        return plain
    if isinstance(plain, dict):
        if plain.keys() == {ARRAY}:
            return arrays[plain[ARRAY]]
        return {key: _insert_arrays(value, arrays) for key, value in plain.items()}
    return [_insert_arrays(value, arrays) for value in plain] if isinstance(plain, list) else plain


def _npz(arrays: dict[str, list[Any]]) -> bytes:
    import numpy as np

    sink = io.BytesIO()
    named: dict[str, Any] = {name: np.array(values) for name, values in arrays.items()}
    np.savez(sink, **named)
    return sink.getvalue()


def _from_npz(content: bytes) -> dict[str, list[Any]]:
    import tokenize
    import zipfile
    import zlib

    import numpy as np

    # Errors of numpy on files of another kind.
    broken = (AttributeError, EOFError, MemoryError, NotImplementedError, SyntaxError)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return {name: archive[name].tolist() for name in archive.files}
    except (*broken, tokenize.TokenError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{ARRAYS} contains no arrays: {error!r}") from error
