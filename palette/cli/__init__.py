"""Command line of palette: each command has its own module and is registered in :mod:`palette.cli.app`."""

from __future__ import annotations

import os
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; if a library is missing, exit with a message on how to install it."""
    try:
        from palette.cli.app import app
        from palette.cli.completion import whole_words
    except ImportError as error:
        sys.exit(f"palette: {error}; install it: pip install 'palette-features[server]', or [spark], or [catalog]")
    with whole_words(os.environ):
        # Also for python -m palette, whose own name a shell could not complete.
        app(prog_name="palette")
