"""Contract of online stores; see :mod:`palette.online.testing`."""
