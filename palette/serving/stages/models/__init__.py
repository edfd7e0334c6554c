"""Models of other kinds, and the base classes of all models."""
