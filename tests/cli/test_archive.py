"""The library as a zip, whatever its files are dated."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import dsl
import palette


def test_files_of_no_date_are_packed(tmp_path):
    """Reproducible builds and some images date files to 1970; a zip begins with 1980."""
    for package in (palette, dsl):
        home = Path(package.__file__).parent
        shutil.copytree(home, tmp_path / home.name, ignore=shutil.ignore_patterns("__pycache__"))
    os.utime(tmp_path / "palette/archive.py", (0, 0))
    code = "from palette import archive; print(archive.__file__); archive.write_archive('palette.zip')"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(tmp_path / "palette/archive.py"), "the copy is packed"
    assert zipfile.ZipFile(tmp_path / "palette.zip").getinfo("palette/archive.py").date_time[:3] == (1980, 1, 1)
