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
    """Answer where the store fails: an error, or defaults."""

    RAISE = "raise"
    DEFAULT = "default"


class LogFormat(StrEnum):
    """File format of the served log."""

    PARQUET = "parquet"
    DELTA = "delta"


def serve(
    bundles: Annotated[list[str], typer.Argument(metavar="BUNDLE", help=HELP)],
    store: Annotated[str | None, typer.Option(help=STORE)] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(
            help="Name of the model; repeat for the next bundle. Default: the name of the model or directory."
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; other than loopback only with tokens.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 is any free port.", min=0, max=65535)] = 8080,
    workers: Annotated[int, typer.Option(help="Number of processes.", min=1)] = 1,
    on_store_error: Annotated[
        OnStoreError, typer.Option(help="Answer with 503, or with defaults and __store_error in the answer.")
    ] = OnStoreError.RAISE,
    budget: Annotated[float, typer.Option(help="Time limit in seconds for all reads of a request.")] = 1.0,
    strict: Annotated[bool, typer.Option(help="Reject rows with columns that the model does not know.")] = False,
    max_request_age: Annotated[float, typer.Option(help=MAX_REQUEST_AGE)] = 300.0,
    cache_size: Annotated[int, typer.Option(help="Rows of the near cache in front of a remote store.", min=0)] = 0,
    cache_ttl: Annotated[float, typer.Option(help="Seconds that the near cache keeps a row.")] = 5.0,
    max_body: Annotated[int, typer.Option(help="Maximum bytes of a request.")] = 1 << 20,
    max_rows: Annotated[int, typer.Option(help="Maximum rows of a request.")] = 1000,
    token_file: Annotated[
        str | None, typer.Option(help="File of bearer tokens, one per line, in addition to PALETTE_TOKENS.")
    ] = None,
    bundle_root: Annotated[
        str | None, typer.Option(help="Directory from which bundles may be loaded while the service runs.")
    ] = None,
    served_log: Annotated[str | None, typer.Option(help="Directory of the log of served rows.")] = None,
    log_format: Annotated[
        LogFormat, typer.Option(help="Format of the served log: Parquet files, or a Delta table for each model.")
    ] = LogFormat.PARQUET,
    log_queue: Annotated[int, typer.Option(help="Maximum rows in the queue of the served log.")] = 10_000,
    log_rows: Annotated[int, typer.Option(help="Rows after which a file is finished.")] = 50_000,
    log_seconds: Annotated[float, typer.Option(help="Seconds after which a file is finished.")] = 60.0,
    access_log: Annotated[bool, typer.Option(help="Log each request.")] = False,
    drain_seconds: Annotated[
        float,
        typer.Option(help="Seconds after SIGTERM during which requests are still accepted and /readyz is 503.", min=0),
    ] = 0.0,
    shutdown_seconds: Annotated[int, typer.Option(help="Seconds that running requests have after that.", min=1)] = 30,
    config: Config = Path(FILE),
) -> None:
    """Serve models over HTTP.

    The service reads the catalog once, at its start: a model that is promoted later is served after a restart. SIGHUP
    reloads bundles, snapshot and tokens; SIGTERM stops the service after the running requests are answered.
    """
    from palette.service.server import serve as run
    from palette.service.settings import Settings, name_bundles

    resolved = [find_bundle(bundle, config) for bundle in bundles]
    names = [*(name or ()), *(bundle.name for bundle in resolved[len(name or ()) :])]
    settings = Settings(
        bundles=name_bundles((bundle.path for bundle in resolved), names),
        store=store or next((bundle.online for bundle in resolved if bundle.online is not None), None),
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
