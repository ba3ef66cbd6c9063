"""Computed metadata of the package; the rest is in pyproject.toml."""

import ctypes.util
import os
import re
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel

HERE = Path(__file__).resolve().parent


def version() -> str:
    """The version in the C header, which build_wheel.py copies beside this file; else that of the checkout."""
    places = [HERE / "cloze.h", HERE.parents[1] / "include" / "cloze.h"]
    header = next(place for place in places if place.is_file()).read_text()
    return ".".join(
        re.search(rf"#define CLOZE_VERSION_{part} (\d+)", header)[1] for part in ("MAJOR", "MINOR", "PATCH"))


class Package(Distribution):
    """A distribution that is specific to a platform if it contains the library."""

    def has_ext_modules(self) -> bool:
        return (HERE / "src" / "cloze" / "lib" / "libcloze.so").is_file()


class Wheel(bdist_wheel):
    """A wheel for every Python 3 on its platform: the library is loaded by ctypes, not linked to Python.

    From a source distribution, which holds Python alone, it is built only where libcloze.so is there to be used.
    """

    def run(self):
        there = self.distribution.has_ext_modules() or os.environ.get("CLOZE_LIBRARY") or ctypes.util.find_library("cloze")
        if not there:
            raise SystemExit(
                "cloze: this source distribution holds Python alone and needs libcloze.so, which is not on this system. "
                "Wheels with the library inside are for Linux on x86_64 with glibc 2.28 or later and pip 20.3 or later. "
                "Elsewhere, build Cloze from its source archive (Swift 6.3), `make install` it, and try again; or set "
                "CLOZE_LIBRARY to the file.")
        super().run()

    def get_tag(self):
        _, _, platform = super().get_tag()
        return "py3", "none", platform


setup(version=version(), distclass=Package, cmdclass={"bdist_wheel": Wheel})
