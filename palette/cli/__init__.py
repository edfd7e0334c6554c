"""The command ``palette``: each command is a module of its own, added in :mod:`palette.cli.app`."""

from __future__ import annotations

import os
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command; without the libraries that it needs, say how to install them."""
    try:
        from palette.cli.app import app
        from palette.cli.completion import whole_words
    except ImportError as error:
        sys.exit(f"palette: {error}; install it: pip install 'palette-features[server]', or [spark], or [catalog]")
    with whole_words(os.environ):
        # As python -m palette, too: that has no name that a shell could complete.
        app(prog_name="palette")
