"""``python -m palette.jobs``, and what ``spark-submit`` runs."""

from __future__ import annotations

import sys

from palette.jobs import main

if __name__ == "__main__":
    sys.exit(main())
