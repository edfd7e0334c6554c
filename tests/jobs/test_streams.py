"""Under spark-submit data goes to the standard output, and all else to the standard error, whatever these are."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pyspark
import pytest

from palette.jobs.standard_streams import ParentError
from tests.jvm import QUICK

ROOT = Path(__file__).parents[2]
SUBMIT = Path(pyspark.__file__).parent / "bin/spark-submit"
JOB = """
import logging, sys, warnings
from pyspark.java_gateway import launch_gateway
from palette.jobs.standard_streams import separate

separate()
logging.basicConfig()
logging.getLogger("job").warning("begins, ß and 中")
print("data", flush=True)
warnings.warn("a warning")
java = launch_gateway().jvm.System.err
for number in range(100):
    print("line", number, "." * 100, file=sys.stderr)
    java.print(f"line {number} of Java\\n")
raise ValueError("the fault")
"""


@pytest.fixture
def submit(tmp_path):
    (tmp_path / "job.py").write_text(JOB)

    def submit(**streams):
        ours = {"PYTHONPATH": str(ROOT), "PYSPARK_PYTHON": sys.executable, "LC_ALL": "C"}
        environment = os.environ | QUICK | ours
        command = [SUBMIT, "--verbose", tmp_path / "job.py"]
        return subprocess.run(command, env=environment, check=False, timeout=120, **streams).returncode

    return submit


def check_log(log):
    lines = log.splitlines()
    assert "WARNING:job:begins, ß and 中" in lines
    assert "ValueError: the fault" in lines
    assert any("UserWarning: a warning" in line for line in lines)
    # What Java writes in between is whole as well: nobody wrote over somebody's text.
    expected = [line for number in range(100) for line in (f"line {number} {'.' * 100}", f"line {number} of Java")]
    assert [line for line in lines if line.startswith("line ")] == expected
    assert "Parsed arguments:" in lines
    assert "\0" not in log


@pytest.mark.spark
@pytest.mark.slow
def test_files(submit, tmp_path):
    out, log = tmp_path / "out", tmp_path / "log"
    with out.open("wb") as data, log.open("wb") as told:
        assert submit(stdout=data, stderr=told) == 1
    assert out.read_text() == "data\n"
    check_log(log.read_text())


@pytest.mark.spark
@pytest.mark.slow
def test_one_file_for_both(submit, tmp_path):
    both = tmp_path / "both"
    with both.open("wb") as file:
        assert submit(stdout=file, stderr=subprocess.STDOUT) == 1
    assert both.read_text().splitlines().count("data") == 1
    check_log(both.read_text())


@pytest.mark.spark
@pytest.mark.slow
def test_a_socket_as_of_systemd(submit, tmp_path):
    ours, theirs = socket.socketpair()
    with ours, theirs, (tmp_path / "out").open("wb") as data:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        assert submit(stdout=data, stderr=theirs) == 1
        theirs.close()
        log = b"".join(iter(lambda: ours.recv(65536), b""))
    assert (tmp_path / "out").read_text() == "data\n"
    check_log(log.decode())


def test_a_parent_that_is_gone_loses_nothing(capsys):
    class Gone:
        def write(self, *_):
            raise ConnectionError

    print("a fault", file=ParentError(Gone(), sys.stderr))
    assert capsys.readouterr().err == "a fault\n"
