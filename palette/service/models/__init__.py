"""Served models: loading, exchanging, and the stores they read."""
