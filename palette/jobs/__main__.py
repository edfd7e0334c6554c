"""``python -m palette.jobs``, the entry point of ``spark-submit``."""

from __future__ import annotations

import sys

from palette.jobs import main

if __name__ == "__main__":
    sys.exit(main())
