"""The parts of the package's metadata that have to be computed; the rest is in pyproject.toml."""

import re
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel

HERE = Path(__file__).resolve().parent


def version() -> str:
    """The version that the C header states: the header lies here in what build_wheel.py stages, else in the checkout."""
    places = [HERE / "cloze.h", HERE.parents[1] / "include" / "cloze.h"]
    header = next(place for place in places if place.is_file()).read_text()
    return ".".join(
        re.search(rf"#define CLOZE_VERSION_{part} (\d+)", header)[1] for part in ("MAJOR", "MINOR", "PATCH"))


class Package(Distribution):
    """A package with the library inside fits one platform."""

    def has_ext_modules(self) -> bool:
        return (HERE / "src" / "cloze" / "lib" / "libcloze.so").is_file()


class Wheel(bdist_wheel):
    """On its platform the wheel fits every Python 3, since ctypes loads the library."""

    def get_tag(self):
        _, _, platform = super().get_tag()
        return "py3", "none", platform


setup(version=version(), distclass=Package, cmdclass={"bdist_wheel": Wheel})
