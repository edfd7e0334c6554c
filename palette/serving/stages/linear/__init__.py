"""Models of weighted sums: linear, logistic, generalized, survival, factorization machines."""
