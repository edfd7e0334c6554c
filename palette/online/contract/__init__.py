"""What every online store is held to; see :mod:`palette.online.testing`."""
