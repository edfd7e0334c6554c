"""Features of the catalog: search, annotations, lineage."""
