"""The parts of the package's metadata that have to be computed; the rest is in pyproject.toml."""

import re
from pathlib import Path

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel

HERE = Path(__file__).resolve().parent


def version() -> str:
    """The version that the C header states: the header lies here in what build_wheel.py stages, else in the checkout."""
    places = [HERE / "cloze.h", HERE.parents[1] / "include" / "cloze.h"]
    header = next(place for place in places if place.is_file()).read_text()
    return ".".join(
        re.search(rf"#define CLOZE_VERSION_{part} (\d+)", header)[1] for part in ("MAJOR", "MINOR", "PATCH"))


class Wheel(bdist_wheel):
    """A wheel with the library inside fits one platform, and on it every Python 3, since ctypes loads the library."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.root_is_pure = not (HERE / "src" / "cloze" / "lib" / "libcloze.so").is_file()

    def get_tag(self):
        _, _, platform = super().get_tag()
        return "py3", "none", platform


setup(version=version(), cmdclass={"bdist_wheel": Wheel})
