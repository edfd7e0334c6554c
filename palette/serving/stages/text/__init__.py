"""Text stages: words, n-grams, counts, embeddings of words."""
