"""Planning of a pipeline: what each stage reads and adds, and where the look-ups go."""
