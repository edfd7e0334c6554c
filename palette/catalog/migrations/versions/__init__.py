"""One module a revision; they are frozen once released."""
