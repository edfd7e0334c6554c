"""Alembic, run inside the caller's transaction and without files of configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from palette.errors import CatalogError, DefinitionError

__all__ = ["scripts", "upgrade"]


def scripts() -> ScriptDirectory:
    """Return the migrations of this package."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


def upgrade(connection: Connection, found: str | None, version_table: str) -> None:
    """Bring the tables to the newest form; nothing happens where they have it.

    Raises
    ------
    DefinitionError
        If the catalog was written by a newer release.
    CatalogError
        If this package was imported from a zip, which Alembic cannot list.
    """
    if not Path(__file__).is_file():
        raise CatalogError("a catalog is made and upgraded by an installed palette, not from a zip: run it there once")
    known = scripts()
    if found is not None and found not in {script.revision for script in known.walk_revisions()}:
        raise DefinitionError(f"the catalog has the form {found!r}, which this release does not know; upgrade palette")

    # The way that Alembic's own documentation of EnvironmentContext goes.
    def steps(revision: Any, _: Any) -> Any:
        return known._upgrade_revs("head", revision)

    with EnvironmentContext(Config(), known, fn=steps, destination_rev="head") as environment:
        environment.configure(connection=connection, version_table=version_table, transactional_ddl=True)
        with environment.begin_transaction():
            environment.run_migrations()
