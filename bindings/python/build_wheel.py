#!/usr/bin/env python3
"""Builds dist/cloze-*.whl: the package, libcloze.so, its dependencies except glibc, and the built-in model.

    build_wheel.py --library .build/release/libcloze.so

Needs strip and readelf (binutils), patchelf, and Python's venv module; setuptools is installed in a virtual environment
of its own. Prints the path of the wheel.
"""

from __future__ import annotations

import argparse
import hashlib
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

#: Libraries of glibc. A manylinux tag guarantees these; all others are bundled.
GLIBC = re.compile(r"^(ld-linux.*|linux-vdso|lib(c|m|dl|rt|pthread|util|resolv))\.so(\.\d+)?$")

#: 2 January 1980, as zip files start at 1980; a fixed time makes builds reproducible.
EPOCH = "315619200"


def output(*command: str | Path) -> str:
    """The standard output of a command; its failure ends the build with its output."""
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True)
    except FileNotFoundError:
        sys.exit(f"{command[0]} is not installed (Debian packages: binutils, patchelf)")
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def needed(library: Path) -> list[str]:
    """The sonames that a library is linked with."""
    return re.findall(r"\(NEEDED\).*\[(.*)\]", output("readelf", "--dynamic", "--wide", library))


def dependencies(library: Path) -> dict[str, Path]:
    """Soname and file of the library's direct and indirect dependencies, without glibc."""
    found = {}
    for line in output("ldd", library).splitlines():
        name, arrow, rest = line.strip().partition(" => ")
        if arrow and not GLIBC.match(name):
            if rest.startswith("not found"):
                sys.exit(f"{library} needs {name}, which the loader cannot find")
            found[name] = Path(rest.rsplit(" (", 1)[0])
    return found


def glibc_version(libraries: list[Path]) -> tuple[int, int]:
    """The newest glibc version of any symbol that the libraries import."""
    versions = [(2, 17)]  # the oldest manylinux tag of this form
    for library in libraries:
        for major, minor in re.findall(r"Name: GLIBC_(\d+)\.(\d+)", output("readelf", "--version-info", library)):
            versions.append((int(major), int(minor)))
    return max(versions)


def bundle(library: Path, folder: Path) -> list[Path]:
    """Copies the library and its dependencies into ``folder``, linked with each other by unique sonames.

    The loader keeps one library per soname and process. With its own soname, a bundled libstdc++ would also serve
    libraries loaded later, which may need the system's newer one; so file names and sonames get a hash.
    """
    folder.mkdir(parents=True)
    sources = dependencies(library)
    renamed = {}
    for name, source in sources.items():
        digest = hashlib.sha256(source.read_bytes()).hexdigest()[:8]
        stem, dot, rest = name.partition(".so")
        renamed[name] = f"{stem}-{digest}{dot}{rest}"
    copies = []
    for name, source in {"libcloze.so": library, **sources}.items():
        copy = folder / renamed.get(name, name)
        shutil.copyfile(source, copy)
        copy.chmod(0o755)
        output("strip", "--strip-unneeded", copy)
        # One change per call: patchelf 0.14 of Debian 12 corrupts strings if given several.
        for asked in needed(copy):
            if asked in renamed:
                output("patchelf", "--replace-needed", asked, renamed[asked], copy)
        if name in renamed:
            output("patchelf", "--set-soname", renamed[name], copy)
        output("patchelf", "--set-rpath", "$ORIGIN", copy)
        copies.append(copy)
    inside = {copy.name for copy in copies}
    for copy in copies:
        missing = [name for name in needed(copy) if name not in inside and not GLIBC.match(name)]
        if missing:
            sys.exit(f"{copy.name} still needs {', '.join(missing)} from outside the wheel")
    return copies


def debian_package(file: Path) -> str:
    """The Debian package that installed a file; "" if none did."""
    if not shutil.which("dpkg-query"):
        return ""
    real = str(file.resolve())
    # dpkg may list the file's path from before /lib became a link to /usr/lib.
    for path in (real, real.removeprefix("/usr")):
        found = subprocess.run(["dpkg-query", "--search", path], capture_output=True, text=True).stdout
        if found:
            return found.split(":", 1)[0]
    return ""


def licences(sources: dict[str, Path], folder: Path) -> None:
    """Writes the licences of bundled libraries beside Cloze's own, as LICENSE.<Debian package>."""
    shutil.copyfile(ROOT / "LICENSE", folder / "LICENSE")
    for name, source in sources.items():
        package = debian_package(source)
        text = Path("/usr/share/doc") / package / "copyright"
        if not package or not text.is_file():
            sys.exit(f"no licence text found for {name} ({source}); it cannot be bundled without one")
        shutil.copyfile(text, folder / f"LICENSE.{package}")
    # libcloze.so contains the Swift runtime.
    compiler = shutil.which("swiftc")
    text = Path(compiler).resolve().parents[1] / "share" / "swift" / "LICENSE.txt" if compiler else None
    if text is None or not text.is_file():
        sys.exit("no licence text found for Swift's runtime: swiftc is not on PATH, or is installed without it")
    shutil.copyfile(text, folder / "LICENSE.swift")


def build_python(folder: Path) -> Path:
    """The interpreter of a virtual environment with setuptools, created if necessary."""
    python = folder / "bin" / "python"
    if subprocess.run(
        [python, "-c", "import setuptools as s; exit(int(s.__version__.split('.')[0]) < 77)"], capture_output=True
    ).returncode if python.is_file() else True:
        venv.create(folder, clear=True, with_pip=True)
        output(python, "-m", "pip", "install", "--quiet", "setuptools>=77", "wheel")
    return python


def main() -> None:
    parse = argparse.ArgumentParser(description="Builds the wheel of the Python package.")
    parse.add_argument("--library", type=Path, default=ROOT / ".build/release/libcloze.so")
    parse.add_argument("--model", type=Path, default=ROOT / "models/cloze-mini")
    parse.add_argument("--output", type=Path, default=ROOT / "dist")
    parse.add_argument("--stage", type=Path, default=ROOT / ".build/wheel", help="a scratch folder, emptied first")
    parse.add_argument("--venv", type=Path, default=ROOT / ".venv-build", help="virtual environment for setuptools")
    options = parse.parse_args()
    for path in (options.library, options.model / "model.onnx"):
        if not path.is_file():
            sys.exit(f"{path} does not exist; build it first")

    stage = options.stage
    shutil.rmtree(stage, ignore_errors=True)
    package = stage / "src" / "cloze"
    shutil.copytree(HERE / "src" / "cloze", package, ignore=shutil.ignore_patterns("__pycache__", "lib", "share"))
    for source in (HERE / "pyproject.toml", HERE / "setup.py", HERE / "README.md", ROOT / "include" / "cloze.h"):
        shutil.copy(source, stage)
    # As after `make install`, the built-in model is at ../share/cloze/models from the library.
    shutil.copytree(options.model, package / "share" / "cloze" / "models" / options.model.name)
    copies = bundle(options.library, package / "lib")
    licences(dependencies(options.library), stage)

    major, minor = glibc_version(copies)
    tag = f"manylinux_{major}_{minor}_{platform.machine()}"
    options.output.mkdir(parents=True, exist_ok=True)
    python = build_python(options.venv)
    made = stage / "dist"
    os.environ["SOURCE_DATE_EPOCH"] = EPOCH
    output(
        python, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
        f"--config-settings=--build-option=--plat-name={tag}", "--wheel-dir", made, stage)
    (wheel,) = made.glob("cloze-*.whl")
    for older in options.output.glob("cloze-*.whl"):
        older.unlink()
    target = options.output / wheel.name
    shutil.move(wheel, target)
    print(target)


if __name__ == "__main__":
    main()
