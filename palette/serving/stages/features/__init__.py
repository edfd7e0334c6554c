"""Feature stages on numbers and categories: assemblers, indexers, encoders, buckets."""
