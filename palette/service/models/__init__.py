"""Served models: loading, replacing, and the stores they read."""
