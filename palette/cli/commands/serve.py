"""``palette serve``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from palette.cli.bundle_arguments import HELP, MAX_REQUEST_AGE, STORE, find_bundle
from palette.cli.project import FILE, Config

__all__ = ["serve"]


class OnStoreError(StrEnum):
    """What a store that fails makes."""

    RAISE = "raise"
    DEFAULT = "default"


class LogFormat(StrEnum):
    """What served rows are written in."""

    PARQUET = "parquet"
    DELTA = "delta"


def serve(
    bundles: Annotated[list[str], typer.Argument(metavar="BUNDLE", help=HELP)],
    store: Annotated[str | None, typer.Option(help=STORE)] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(help="What to call it; again for the next bundle. Default: the model's or the directory's name."),
    ] = None,
    host: Annotated[str, typer.Option(help="Where to listen; other than loopback only with tokens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one.", min=0, max=65535)] = 8080,
    workers: Annotated[int, typer.Option(help="Processes.", min=1)] = 1,
    on_store_error: Annotated[
        OnStoreError, typer.Option(help="503, or defaults with __store_error in the answer.")
    ] = OnStoreError.RAISE,
    budget: Annotated[float, typer.Option(help="Seconds that all reads of a request may take.")] = 1.0,
    strict: Annotated[bool, typer.Option(help="Refuse rows with columns that the model does not know.")] = False,
    max_request_age: Annotated[float, typer.Option(help=MAX_REQUEST_AGE)] = 300.0,
    cache_size: Annotated[int, typer.Option(help="Rows of the near cache before a remote store.", min=0)] = 0,
    cache_ttl: Annotated[float, typer.Option(help="Seconds that it keeps them.")] = 5.0,
    max_body: Annotated[int, typer.Option(help="Bytes of a request.")] = 1 << 20,
    max_rows: Annotated[int, typer.Option(help="Rows of a request.")] = 1000,
    token_file: Annotated[
        str | None, typer.Option(help="Bearer tokens, one a line, besides those in PALETTE_TOKENS.")
    ] = None,
    bundle_root: Annotated[
        str | None, typer.Option(help="Where bundles may lie that are loaded while it runs.")
    ] = None,
    served_log: Annotated[str | None, typer.Option(help="Directory for what was served.")] = None,
    log_format: Annotated[
        LogFormat, typer.Option(help="Parquet files, or a Delta table for each model.")
    ] = LogFormat.PARQUET,
    log_queue: Annotated[int, typer.Option(help="Rows that may wait to be written there.")] = 10_000,
    log_rows: Annotated[int, typer.Option(help="Rows after which a file is finished.")] = 50_000,
    log_seconds: Annotated[float, typer.Option(help="Seconds after which it is.")] = 60.0,
    access_log: Annotated[bool, typer.Option(help="Log each request.")] = False,
    drain_seconds: Annotated[
        float, typer.Option(help="Seconds to go on after SIGTERM, not ready, so that nobody is sent here.", min=0)
    ] = 0.0,
    shutdown_seconds: Annotated[int, typer.Option(help="Seconds to answer what is under way.", min=1)] = 30,
    config: Config = Path(FILE),
) -> None:
    """Answer requests to score rows, over HTTP.

    The catalog is asked once, when it starts: a model that is promoted later is served from the next start on. SIGHUP
    reads bundles, snapshot and tokens again; SIGTERM ends it when what is under way is answered.
    """
    from palette.service.server import serve as run
    from palette.service.settings import Settings, name_bundles

    found = [find_bundle(bundle, config) for bundle in bundles]
    names = [*(name or ()), *(one.name for one in found[len(name or ()) :])]
    settings = Settings(
        bundles=name_bundles((one.path for one in found), names),
        store=store or next((one.online for one in found if one.online is not None), None),
        host=host,
        port=port,
        workers=workers,
        on_store_error=on_store_error.value,
        budget=budget,
        strict=strict,
        max_request_age=max_request_age,
        cache_size=cache_size,
        cache_ttl=cache_ttl,
        max_body=max_body,
        max_rows=max_rows,
        token_file=token_file,
        bundle_root=bundle_root,
        served_log=served_log,
        log_format=log_format.value,
        log_queue=log_queue,
        log_rows=log_rows,
        log_seconds=log_seconds,
        access_log=access_log,
        drain_seconds=drain_seconds,
        shutdown_seconds=shutdown_seconds,
    )
    raise typer.Exit(run(settings))
