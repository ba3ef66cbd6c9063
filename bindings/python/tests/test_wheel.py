"""The wheel in dist/: its content, and that it depends on NumPy and glibc only."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy
import pytest

from conftest import ROOT

GLIBC = re.compile(r"/(ld-linux[^/]*|lib(c|m|dl|rt|pthread|util|resolv)(-2\.\d+)?)\.so(\.\d+)?$")


@pytest.fixture(scope="module")
def wheel() -> Path:
    wheels = sorted((ROOT / "dist").glob("cloze-*.whl"))
    if not wheels:
        pytest.skip("there is no wheel in dist/: run `make wheel` first")
    assert len(wheels) == 1
    return wheels[0]


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the content of the wheel and NumPy, and no other importable package."""
    folder = tmp_path_factory.mktemp("wheel")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    packages = Path(numpy.__file__).resolve().parents[1]
    for name in ("numpy", "numpy.libs"):
        if (packages / name).exists():
            os.symlink(packages / name, folder / name)
    return folder


def test_name_and_size(wheel: Path) -> None:
    assert re.fullmatch(r"cloze-\d+\.\d+\.\d+-py3-none-manylinux_2_\d+_(x86_64|aarch64)\.whl", wheel.name)
    assert wheel.stat().st_size <= 30_000_000


def test_what_is_inside(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    for name in ("cloze/__init__.py", "cloze/py.typed", "cloze/lib/libcloze.so"):
        assert name in names
    assert [name for name in names if name.endswith("/model.onnx")]
    assert [name for name in names if name.endswith("cloze-mini/README.md")], "the model's attribution"
    licences = [name for name in names if "/licenses/" in name]
    assert [name for name in licences if name.endswith("/LICENSE")] and len(licences) >= 4
    assert not [name for name in names if "__pycache__" in name or "tests" in name]


def test_the_tag_is_the_glibc_that_is_needed(wheel: Path, unpacked: Path) -> None:
    """Computed from the symbols by another tool than the build uses."""
    newest = (2, 17)
    for library in (unpacked / "cloze" / "lib").iterdir():
        symbols = subprocess.run(["objdump", "-T", library], capture_output=True, text=True, check=True).stdout
        newest = max([newest, *((2, int(minor)) for minor in re.findall(r"\(?GLIBC_2\.(\d+)", symbols))])
    assert f"manylinux_{newest[0]}_{newest[1]}_" in wheel.name


PROGRAM = """
import sys
import cloze
model = cloze.load()
print(model.fill_mask("The first world [MASK] began in 1914 .", top_k=1)[0][0][0])
print(model.embed(["a text", "台北"]).shape)
print(cloze.__file__)
for line in open("/proc/self/maps"):
    path = line.split(maxsplit=5)[5:]
    if path and ".so" in path[0]:
        print("mapped", path[0].strip())
"""


def test_it_runs_on_its_own(unpacked: Path) -> None:
    # -S leaves out site-packages, -E the environment; numpy's own symlinked folder is all that is added.
    code = f"import sys; sys.path.insert(0, {str(unpacked)!r})\n{PROGRAM}"
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-c", code], env={"PATH": "/usr/bin:/bin"}, cwd="/", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, shape, where, *maps = done.stdout.splitlines()
    assert first == "war" and shape == "(2, 256)" and where.startswith(str(unpacked))
    mapped = {line.split(" ", 1)[1] for line in maps}
    assert any(path.endswith("cloze/lib/libcloze.so") for path in mapped)
    python = (str(Path(sys.base_prefix).resolve()), str(Path(numpy.__file__).resolve().parents[1]))
    alone = subprocess.run(
        [sys.executable, "-S", "-E", "-c",
         f"import sys; sys.path.insert(0, {str(unpacked)!r})\n"
         "import numpy, ctypes, json, dataclasses, subprocess\n" + PROGRAM[PROGRAM.index("for line") :]],
        env={"PATH": "/usr/bin:/bin"}, cwd="/", capture_output=True, text=True, check=True)
    without = {line.split(" ", 1)[1] for line in alone.stdout.splitlines()}
    outside = {
        path for path in mapped - without
        if not path.startswith(str(unpacked)) and not path.startswith(python) and not GLIBC.search(path)}
    assert not outside, "from outside the wheel: " + ", ".join(sorted(outside))


def test_no_library_looks_outside_its_folder(unpacked: Path) -> None:
    inside = {path.name for path in (unpacked / "cloze" / "lib").iterdir()}
    for library in (unpacked / "cloze" / "lib").iterdir():
        dynamic = subprocess.run(["readelf", "-dW", library], capture_output=True, text=True, check=True).stdout
        for name in re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic):
            assert name in inside or GLIBC.search("/" + name), f"{library.name} needs {name}"
        assert re.findall(r"\((?:RUNPATH|RPATH)\).*\[(.*)\]", dynamic) == ["$ORIGIN"], library.name
