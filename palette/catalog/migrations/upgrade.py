"""Upgrades by Alembic inside the caller's transaction, without configuration files."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from palette.errors import DefinitionError

__all__ = ["scripts", "upgrade"]

HOME = "palette.catalog.migrations"


@contextlib.contextmanager
def scripts() -> Iterator[ScriptDirectory]:
    """Yield the migrations of this package; those of a zip file are copied to a temporary directory for Alembic."""
    with contextlib.ExitStack() as stack:
        home = Path(__file__).parent
        if not Path(__file__).is_file():
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="palette-migrations-")))
            (home / "versions").mkdir()
            for script in files(HOME).joinpath("versions").iterdir():
                if script.name.endswith(".py"):
                    (home / "versions" / script.name).write_bytes(script.read_bytes())
        config = Config()
        config.set_main_option("script_location", str(home).replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        yield ScriptDirectory.from_config(config)


def upgrade(connection: Connection, revision: str | None, version_table: str) -> None:
    """Upgrade the tables to the newest revision, if they have an older one.

    Raises
    ------
    DefinitionError
        If the catalog was written by a newer release.
    """
    with scripts() as known:
        _upgrade(connection, revision, version_table, known)


def _upgrade(connection: Connection, revision: str | None, version_table: str, known: ScriptDirectory) -> None:
    if revision is not None and revision not in {script.revision for script in known.walk_revisions()}:
        raise DefinitionError(f"the catalog has the unknown revision {revision!r}: upgrade palette")

    # As in Alembic's documentation of EnvironmentContext.
    def steps(current: Any, _: Any) -> Any:
        return known._upgrade_revs("head", current)

    with EnvironmentContext(Config(), known, fn=steps, destination_rev="head") as environment:
        environment.configure(connection=connection, version_table=version_table, transactional_ddl=True)
        with environment.begin_transaction():
            environment.run_migrations()
