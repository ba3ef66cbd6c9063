#!/usr/bin/env python3
"""Builds the Python package: a wheel with libcloze.so and the built-in model inside, and a source distribution without.

    build_wheel.py --library .build/dist/lib/libcloze.so.0.1.0

Needs readelf (binutils), advzip (advancecomp) and Python's venv module; setuptools is installed in a virtual environment of its own. Prints
the paths of what it built.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

#: Libraries of glibc, which a manylinux tag guarantees.
GLIBC = re.compile(r"^(ld-linux.*|lib(c|m|dl|rt|pthread))\.so(\.\d+)?$")

#: The oldest glibc that the package promises to run on, and the first one with what asks for a version by feature.
OLDEST = (2, 28)
FEATURES = {"GLIBC_ABI_DT_RELR": (2, 36)}

#: 2 January 1980, as zip files start at 1980; a fixed time makes builds reproducible.
EPOCH = "315619200"


def output(*command: str | Path, cwd: Path | None = None) -> str:
    """The standard output of a command; its failure ends the build with its output."""
    environment = {**os.environ, "LC_ALL": "C", "SOURCE_DATE_EPOCH": EPOCH}
    try:
        done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, cwd=cwd)
    except FileNotFoundError:
        package = {"readelf": "binutils", "advzip": "advancecomp"}.get(str(command[0]), str(command[0]))
        sys.exit(f"{command[0]} is not installed (Debian package: {package})")
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def glibc_version(library: Path) -> tuple[int, int]:
    """The glibc that a library needs, from everything that it asks for; whatever else it asks for ends the build."""
    dynamic = output("readelf", "--dynamic", "--wide", library)
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic)
    if strangers := [name for name in needed if not GLIBC.match(name)]:
        sys.exit(f"{library.name} needs {', '.join(strangers)}, which a wheel may not rely on")
    versions = [OLDEST]
    if re.search(r"\(RELR", dynamic):
        versions.append(FEATURES["GLIBC_ABI_DT_RELR"])
    for name in re.findall(r"Name: (\S+)  Flags", output("readelf", "--version-info", "--wide", library)):
        if number := re.fullmatch(r"GLIBC_(\d+)\.(\d+)(\.\d+)?", name):
            versions.append((int(number[1]), int(number[2])))
        elif name in FEATURES:
            versions.append(FEATURES[name])
        else:
            sys.exit(f"{library.name} asks for {name}; which glibc has that is not known")
    return max(versions)


def build_python(folder: Path) -> Path:
    """The interpreter of a virtual environment with setuptools, created if necessary."""
    python = folder / "bin" / "python"
    if subprocess.run(
        [python, "-c", "import setuptools as s; exit(int(s.__version__.split('.')[0]) < 77)"], capture_output=True
    ).returncode if python.is_file() else True:
        venv.create(folder, clear=True, with_pip=True)
        output(python, "-m", "pip", "install", "--quiet", "setuptools>=77", "wheel")
    return python


def stage(folder: Path, with_library: Path | None, model: Path) -> None:
    """Copies the package's sources into ``folder``, with or without what is compiled."""
    shutil.rmtree(folder, ignore_errors=True)
    package = folder / "src" / "cloze"
    shutil.copytree(HERE / "src" / "cloze", package, ignore=shutil.ignore_patterns("__pycache__", "lib", "share"))
    for source in (HERE / "pyproject.toml", HERE / "setup.py", HERE / "MANIFEST.in", HERE / "README.md",
                   ROOT / "include" / "cloze.h"):
        shutil.copy(source, folder)
    if with_library is None:
        shutil.copy(ROOT / "LICENSE", folder)
        return
    (package / "lib").mkdir()
    shutil.copyfile(with_library, package / "lib" / "libcloze.so")
    (package / "lib" / "libcloze.so").chmod(0o755)
    # As after `make install`, the built-in model is at ../share/cloze/models from the library.
    shutil.copytree(model, package / "share" / "cloze" / "models" / model.name)
    output(ROOT / "packaging" / "licences", folder)


def main() -> None:
    parse = argparse.ArgumentParser(description="Builds the wheel and the source distribution of the Python package.")
    parse.add_argument("--library", type=Path, required=True)
    parse.add_argument("--model", type=Path, default=ROOT / "models/cloze-mini")
    parse.add_argument("--output", type=Path, default=ROOT / "dist")
    parse.add_argument("--stage", type=Path, default=ROOT / ".build/wheel", help="a scratch folder, emptied first")
    parse.add_argument("--venv", type=Path, default=ROOT / ".build/wheel-venv", help="virtual environment for setuptools")
    options = parse.parse_args()
    for path in (options.library, options.model / "model.onnx"):
        if not path.is_file():
            sys.exit(f"{path} does not exist; build it first")

    python = build_python(options.venv)
    made = options.stage / "made"
    stage(options.stage / "source", None, options.model)
    output(python, "-c", f"import setuptools.build_meta as b; b.build_sdist({str(made)!r})", cwd=options.stage / "source")

    tree = options.stage / "wheel"
    stage(tree, options.library, options.model)
    major, minor = glibc_version(options.library)
    tag = f"manylinux_{major}_{minor}_{platform.machine()}"
    output(
        python, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
        f"--config-settings=--build-option=--plat-name={tag}", "--wheel-dir", made, tree)

    # The same files deflated again, by libdeflate: 1.5 % smaller.
    (wheel,) = made.glob("*.whl")
    output("advzip", "--recompress", "--shrink-normal", wheel)

    options.output.mkdir(parents=True, exist_ok=True)
    for pattern in ("cloze-*.whl", "cloze-*.tar.gz"):
        for older in options.output.glob(pattern):
            older.unlink()
        (file,) = made.glob(pattern)
        print(shutil.move(file, options.output / file.name))


if __name__ == "__main__":
    main()
