"""The wheel and the source distribution in dist/: their content, and what they need."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from cloze import _library
from conftest import ROOT

NEEDED = re.compile(r"(ld-linux[^/]*|lib(c|m|dl|rt|pthread))\.so\.\d+")


def built(pattern: str) -> Path:
    files = sorted((ROOT / "dist").glob(pattern))
    if not files:
        pytest.skip(f"there is no {pattern} in dist/: run `make wheel` first")
    assert len(files) == 1
    return files[0]


@pytest.fixture(scope="module")
def wheel() -> Path:
    return built("cloze-*.whl")


@pytest.fixture(scope="module")
def library(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        return Path(archive.extract("cloze/lib/libcloze.so", tmp_path_factory.mktemp("wheel")))


def output(*command: object) -> str:
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout


def test_name_and_size(wheel: Path) -> None:
    oldest = "manylinux_{}_{}".format(*_library._GLIBC)
    assert re.fullmatch(rf"cloze-\d+\.\d+\.\d+-py3-none-{oldest}_(x86_64|aarch64)\.whl", wheel.name)
    assert wheel.stat().st_size <= 18_000_000


def test_what_is_inside(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert [name for name in names if ".so" in name] == ["cloze/lib/libcloze.so"]
    assert "cloze/__init__.py" in names and "cloze/py.typed" in names
    assert [name for name in names if name.endswith("/model.onnx")]
    assert [name for name in names if name.endswith("cloze-mini/README.md")], "the model's attribution"
    licences = {name.split(".")[-1] for name in names if "/licenses/LICENSE." in name}
    assert licences == {"swift", "protobuf", "onnx", "gcc"}
    assert not [name for name in names if "__pycache__" in name or "tests" in name]


def test_needs_the_c_library_alone(library: Path) -> None:
    dynamic = output("readelf", "-dW", library)
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic)
    assert needed and not [name for name in needed if not NEEDED.fullmatch(name)]
    assert not re.search(r"RUNPATH|RPATH|RELR", dynamic)


def test_the_tag_is_the_glibc_that_is_needed(library: Path) -> None:
    """From the symbols themselves, by another tool than the build uses; and from what asks for no symbol."""
    symbols = output("objdump", "-T", library)
    versions = {(int(major), int(minor)) for major, minor in re.findall(r"GLIBC_(\d+)\.(\d+)", symbols)}
    assert versions and max(versions) <= _library._GLIBC
    headers = output("objdump", "-p", library)
    others = [name for name in re.findall(r"0x\w+ 0x\w+ \d+ (\S+)", headers) if not re.match(r"GLIBC_\d", name)]
    assert not others, others


def test_it_is_this_wheel_that_is_tested(wheel: Path) -> None:
    """Where the suite runs on an installed package: its library is the wheel's."""
    if "site-packages" not in _library.path:
        pytest.skip("these tests run on the sources: `make test` installs the wheel")
    with zipfile.ZipFile(wheel) as archive:
        assert Path(_library.path).read_bytes() == archive.read("cloze/lib/libcloze.so")


def test_source_distribution(tmp_path: Path) -> None:
    """It holds no binary, and says what it needs where there is no library."""
    with tarfile.open(built("cloze-*.tar.gz")) as archive:
        names = archive.getnames()
        archive.extractall(tmp_path)
    assert not [name for name in names if name.endswith((".so", ".onnx"))]
    (folder,) = tmp_path.iterdir()
    program = (
        "import ctypes.util, sys\n"
        "ctypes.util.find_library = lambda name: None\n"
        "sys.argv = ['setup.py', 'bdist_wheel']\n"
        "exec(compile(open('setup.py').read(), 'setup.py', 'exec'), {'__file__': 'setup.py', '__name__': '__main__'})")
    if subprocess.run([sys.executable, "-c", "import setuptools.command.bdist_wheel"], capture_output=True).returncode:
        pytest.skip("setuptools is not installed here, or is older than 70.1")
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True)
    assert done.returncode != 0 and "needs libcloze.so" in done.stderr and "glibc 2.28" in done.stderr
