"""What Java writes while Spark starts is held back: printed whole if it fails, else only its errors."""

from __future__ import annotations

import os

import pytest

from palette.startup import _BufferedPipe

NOISE = b":: loading settings ::\n26/11/30 10:00:00 WARN NativeCodeLoader: no library\n"
FAULT = b"26/11/30 10:00:01 ERROR SparkContext: no space\n"


@pytest.mark.parametrize(("whole", "printed"), [(True, NOISE + FAULT), (False, FAULT)], ids=["failed", "started"])
def test_what_is_held_back_is_printed_as_the_start_ends(whole, printed, capfd):
    reader, writer = os.pipe()
    held = _BufferedPipe(reader)
    os.write(writer, NOISE + FAULT)
    assert capfd.readouterr().err == ""
    held.release(everything=whole)
    assert capfd.readouterr().err == printed.decode()
    # More than the pipe takes at once.
    os.write(writer, b"later\n" * 1000)
    os.close(writer)
    held._forwarding.join()
    assert capfd.readouterr().err == "later\n" * 1000


def test_a_java_that_ends_at_once_is_announced(capfd):
    reader, writer = os.pipe()
    held = _BufferedPipe(reader)
    os.write(writer, b"downloading https://repo1.maven.org/x.jar\nunresolved dependency: io.delta#x;1: not found\n")
    os.close(writer)
    held.release(everything=True)
    held._forwarding.join()
    told = capfd.readouterr().err
    assert told.startswith("Spark downloads its packages, this time only\n")
    assert told.endswith("unresolved dependency: io.delta#x;1: not found\n")
