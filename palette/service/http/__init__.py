"""HTTP layer: request bodies, JSON, errors, OpenAPI."""
