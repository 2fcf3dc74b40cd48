#!/usr/bin/python3
"""Every protection that `mutate` can take out is still there; with MPYD_TEST_FULL, and is missed by a test."""

import os
import pathlib
import subprocess
import sys

mutate = pathlib.Path(__file__).resolve().parent / "mutate"
arguments = [] if os.environ.get("MPYD_TEST_FULL") == "1" else ["--check"]
sys.exit(subprocess.run([mutate, *arguments], stdin=subprocess.DEVNULL).returncode)
