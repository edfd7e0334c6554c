"""What fills the stores."""
