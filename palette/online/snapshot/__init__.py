"""Frozen copies of the newest rows."""
