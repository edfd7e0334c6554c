"""Routes that answer for a model."""
