"""Feature groups as Delta tables."""
