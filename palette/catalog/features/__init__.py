"""Finding features: search, lineage and annotations."""
