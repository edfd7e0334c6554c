"""The version, in the one place where tools find it."""

__version__ = "0.1.0"
