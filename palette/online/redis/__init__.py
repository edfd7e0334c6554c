"""Redis as online store."""
