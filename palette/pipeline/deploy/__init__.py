"""Deployment of a fitted pipeline: scoring plan, training profile and importances."""
