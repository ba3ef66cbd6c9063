"""The packages on other systems: Debian 11 to 13 as debootstrap installs them, with nothing else."""

import os
import platform
import shutil
import sys

import pytest
from conftest import ROOT, run
from test_packages import built

# Each with the version of its Python.
SYSTEMS = {"bullseye": "3.9", "trixie": "3.13"}

PROGRAM = """
import cloze
print(cloze.load().fill_mask("台[MASK]大学", top_k=1)[0][0][0])
try:
    cloze.load(b"rubbish")
except cloze.Error as error:
    print(error.status)
"""


def bootstrap(folder, suite, packages):
  """Installs a minimal Debian in a folder."""
  if os.geteuid() != 0 or shutil.which("debootstrap") is None:
    pytest.skip("debootstrap is not installed, or needs root")
  included = [f"--include={','.join(packages)}"] if packages else []
  run("debootstrap", "--variant=minbase", *included, suite, folder, timeout=900)
  shutil.copy("/etc/resolv.conf", folder / "etc" / "resolv.conf")


def inside(folder, command):
  """Runs a shell command in the system, with /proc; that mount ends with the command."""
  script = f"mount -t proc proc {folder}/proc && chroot {folder} sh -ec '{command}'"
  return run("unshare", "--mount", "sh", "-c", script, timeout=900)


@pytest.mark.parametrize("suite", SYSTEMS)
def test_wheel_and_archive(suite, tmp_path):
  system = tmp_path / suite
  bootstrap(system, suite, ["python3", "python3-venv"])
  (system / "program.py").write_text(PROGRAM)
  shutil.copy(built("cloze-*.whl"), system)
  run(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", system,
      f"--python-version={SYSTEMS[suite]}", f"--platform=manylinux2014_{platform.machine()}",
      f"--platform=manylinux_2_28_{platform.machine()}", "numpy")
  inside(system, "python3 -m venv /venv; /venv/bin/pip install --quiet --no-index --find-links / cloze")
  assert inside(system, "/venv/bin/python /program.py") == "北\ninvalid_model\n"
  run("tar", "-xf", built("cloze-*-linux-*.tar.xz"), "-C", system / "opt")
  assert "北" in inside(system, "/opt/cloze-*/bin/cloze fill-mask 台[MASK]大学 --top-k 1")
  shutil.rmtree(system)


def test_debian_packages(tmp_path):
  system = tmp_path / "bookworm"
  bootstrap(system, "bookworm", [])
  (system / "program.py").write_text(PROGRAM)
  built("libcloze0_*.deb")
  for package in (ROOT / "dist").glob("*.deb"):
    shutil.copy(package, system)
  inside(system, "apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends /*.deb")
  assert inside(system, "python3 /program.py") == "北\ninvalid_model\n"
  assert "北" in inside(system, "cloze fill-mask 台[MASK]大学 --top-k 1")
  inside(system, "DEBIAN_FRONTEND=noninteractive apt-get remove -qq libcloze0")
  assert not [path for path in system.rglob("*libcloze*") if "dpkg" not in str(path) and path.suffix != ".deb"]
  shutil.rmtree(system)
