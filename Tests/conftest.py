"""Shared by the pytest suites: the built tree, compilers, running commands."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# The tree to test: `Tests/run.py` names the unpacked archive; without it, what `make` built.
DIST = Path(os.environ.get("CLOZE_DIST") or ROOT / ".build" / "dist")


@pytest.fixture(scope="session")
def root():
  return ROOT


@pytest.fixture(scope="session")
def dist():
  """An installed tree: bin, include, lib, share."""
  if not (DIST / "lib" / "libcloze.so").exists():
    pytest.fail(f"{DIST}/lib/libcloze.so does not exist; run make")
  return DIST


@pytest.fixture(scope="session")
def cloze(dist):
  """Calls the command: arguments, and the options of `run`."""
  def call(*arguments, **options):
    return run(dist / "bin" / "cloze", *arguments, **options)
  return call


@pytest.fixture(scope="session")
def debian(tmp_path_factory):
  """The tree /usr of the Debian packages in dist/, unpacked together."""
  packages = sorted((ROOT / "dist").glob("*.deb"))
  if not packages:
    pytest.skip("there are no Debian packages in dist/: run `make deb` first")
  folder = tmp_path_factory.mktemp("debian")
  for package in packages:
    run("dpkg-deb", "-x", package, folder)
  return folder / "usr"


def compiler(name):
  """The path of a compiler, or None; clang is also looked for in the Swift toolchain."""
  if found := shutil.which(name):
    return found
  swift = shutil.which("swift")
  beside = Path(os.path.realpath(swift)).parent / name if swift else None
  return str(beside) if beside and beside.exists() else None


def run(*command, expect=0, cwd=None, env=None, input=None, timeout=600):
  """Standard output of a command; the test fails with all output if the exit status is not `expect`."""
  # Tests run under make and must not pass its settings on to the makes they start.
  variables = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
  variables.update(env or {})
  result = subprocess.run(
      [str(part) for part in command], cwd=cwd, env=variables, input=input, text=True, capture_output=True,
      timeout=timeout)
  if result.returncode != expect:
    pytest.fail(
        f"{' '.join(map(str, command))}\nexit status {result.returncode}, not {expect}\n{result.stdout}{result.stderr}")
  return result.stdout
