"""Models in the catalog: versions, names and promotion."""
