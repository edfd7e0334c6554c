"""Training sets written to tables and files: at once, or in chunks that a killed job resumes."""
