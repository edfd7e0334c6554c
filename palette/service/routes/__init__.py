"""Handlers of the routes of a model."""
