"""HTTP service that scores rows with bundles; needs the extra ``server``, and no Spark."""

from __future__ import annotations

from palette.service.settings import Settings

__all__ = ["Settings"]
