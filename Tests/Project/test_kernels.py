"""Kernel variants against each other, and against those of other CPUs if an emulator is installed."""

import os
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT, compiler, run


def test_variants_agree(tmp_path):
  clang = compiler("clang")
  if clang is None:
    pytest.skip("clang is not installed")
  kernels = ROOT / "Sources" / "CClozeKernels"
  sources = sorted(kernels.glob("*.c")) + sorted(kernels.glob("*/*.c"))
  run(clang, "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", f"-I{kernels}/include",
      ROOT / "Tests" / "Kernels" / "agree.c", *sources, "-o", tmp_path / "agree", "-lm")
  assert run(tmp_path / "agree")


def test_other_processors():
  clang = compiler("clang")
  path = f"{Path(clang).parent}:{os.environ['PATH']}" if clang else os.environ["PATH"]
  result = subprocess.run(
      ["sh", ROOT / "Tests" / "Kernels" / "cross-check.sh"], capture_output=True, text=True, timeout=1800,
      env={**os.environ, "PATH": path})
  if result.returncode == 77:
    pytest.skip(result.stderr.strip().removeprefix("skipped: "))
  assert result.returncode == 0, result.stdout + result.stderr
