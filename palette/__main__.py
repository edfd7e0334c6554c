"""``python -m palette``."""

from __future__ import annotations

from palette.cli import main

if __name__ == "__main__":
    main()
