"""What is installed: programs built with CMake and Meson on the archive and on the Debian packages, and their content."""

import os
import re
import shutil
import subprocess
import tarfile

import pytest
from conftest import ROOT, run

EXAMPLES = ROOT / "examples"


def built(pattern):
  files = sorted((ROOT / "dist").glob(pattern))
  if not files:
    pytest.skip(f"there is no {pattern} in dist/: run `make dist deb` first")
  assert len(files) == 1
  return files[0]


@pytest.fixture(params=["dist", "debian"])
def prefix(request, tmp_path):
  """An installed tree, moved to a place where it was not built for."""
  moved = tmp_path / "moved"
  shutil.copytree(request.getfixturevalue(request.param), moved, symlinks=True)
  return moved


def libraries(prefix):
  return next(path.parent for path in prefix.glob("lib/**/libcloze.so"))


def output_of_tour():
  """What README shows for examples/tour.c."""
  return re.search(r"^```c\n.*?^```\n\n```\n(.*?)^```\n", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)[1]


def test_cmake(prefix, tmp_path):
  run("cmake", "-S", EXAMPLES / "cmake", "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={prefix}",
      f"-DCMAKE_LIBRARY_ARCHITECTURE={libraries(prefix).name}")
  run("cmake", "--build", tmp_path / "build")
  assert run(tmp_path / "build" / "tour") == output_of_tour()


def test_meson(prefix, tmp_path):
  env = {"PKG_CONFIG_PATH": str(libraries(prefix) / "pkgconfig")}
  run("meson", "setup", tmp_path / "build", EXAMPLES / "meson", env=env)
  run("meson", "compile", "-C", tmp_path / "build")
  assert run(tmp_path / "build" / "tour") == output_of_tour()


def test_command(prefix):
  assert "北" in run(prefix / "bin" / "cloze", "fill-mask", "台[MASK]大学", "--top-k", "1", cwd="/")


def test_archive_has_the_licences(dist):
  names = {path.name for path in (dist / "share" / "doc" / "cloze").iterdir()}
  assert names == {"LICENSE", "LICENSE.swift", "LICENSE.protobuf", "LICENSE.onnx", "LICENSE.gcc"}


def test_source_archive_is_the_checkout():
  listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
  if listed.returncode:
    pytest.skip("this is not a git checkout")
  with tarfile.open(built("cloze-*-source.tar.xz")) as archive:
    names = {name.split("/", 1)[1] for name in archive.getnames()}
  assert {name for name in listed.stdout.split("\n") if name and (ROOT / name).exists()} == names


def test_debian_packages_pass_lintian():
  if shutil.which("lintian") is None:
    pytest.skip("lintian is not installed")
  built("libcloze0_*.deb")
  run("lintian", "--fail-on", "error", "--allow-root", *sorted((ROOT / "dist").glob("*.deb")))


def test_debian_package_of_python(debian):
  """The package without a library of its own, which the system's loader finds."""
  packages = debian / "lib" / "python3" / "dist-packages"
  assert not list(packages.rglob("*.so"))
  env = {"PYTHONPATH": str(packages), "LD_LIBRARY_PATH": str(libraries(debian))}
  program = "import cloze; print(cloze._library.path, cloze.load().fill_mask('台[MASK]大学', top_k=1)[0][0][0])"
  python = os.path.join(ROOT, ".venv", "bin", "python")
  assert run(python, "-c", program, env=env) == "libcloze.so.0 北\n"
