"""Stages from vector to vector: scalers, selectors, projections, expansions."""
