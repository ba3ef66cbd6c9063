"""Finding libcloze.so, and the package's public names."""

from __future__ import annotations

import inspect
import os
import pickle
import shutil
import sys
from pathlib import Path

import pytest

import cloze
from cloze import _library
from conftest import ROOT, SOURCES, finish, start


def test_the_environment_names_the_library() -> None:
    code = "import cloze._library as l; print(l.path)"
    path = str(Path(_library.path).resolve())
    assert finish(code, CLOZE_LIBRARY=path).strip() == path


def test_a_wrong_name_in_the_environment_is_not_passed_over(tmp_path: Path) -> None:
    program = start("import cloze", CLOZE_LIBRARY=str(tmp_path / "none.so"))
    _, errors = program.communicate(timeout=60)
    assert program.returncode == 1
    assert "ImportError" in errors and f"{tmp_path}/none.so (environment variable CLOZE_LIBRARY)" in errors


def test_a_file_that_is_no_library_is_named(tmp_path: Path) -> None:
    (tmp_path / "libcloze.so").write_bytes(b"not a library")
    program = start("import cloze", CLOZE_LIBRARY=str(tmp_path / "libcloze.so"))
    _, errors = program.communicate(timeout=60)
    assert "ImportError" in errors and "libcloze.so (environment variable CLOZE_LIBRARY)" in errors


def test_the_message_lists_every_place(tmp_path: Path) -> None:
    (tmp_path / "cloze").mkdir()
    for source in (SOURCES / "cloze").glob("*.py"):
        (tmp_path / "cloze" / source.name).write_text(source.read_text())
    program = start("import cloze", PYTHONPATH=str(tmp_path), CLOZE_LIBRARY="", LD_LIBRARY_PATH="")
    _, errors = program.communicate(timeout=60)
    if program.returncode == 0:  # a libcloze.so is installed on this machine
        return
    for place in ("(inside the package)", "libcloze.so (the system's loader)", "CLOZE_LIBRARY"):
        assert place in errors


FOREIGN = """
import os, platform, sys
{change}
import cloze
"""


@pytest.mark.parametrize(
    "change, said",
    [("os.confstr = lambda name: 'glibc 2.17'", "this system has glibc 2.17"),
     ("def confstr(name): raise ValueError\nos.confstr = confstr", "musl"),
     ("platform.machine = lambda: 'riscv64'", "this system is riscv64"),
     ("sys.platform = 'darwin'", "this system is darwin")])
def test_a_system_that_the_wheel_is_not_for_is_named(tmp_path: Path, change: str, said: str) -> None:
    """A package whose library cannot be loaded, of which only the header is there, on a system that looks like another."""
    shutil.copytree(SOURCES / "cloze", tmp_path / "cloze", ignore=shutil.ignore_patterns("lib", "share"))
    (tmp_path / "cloze" / "lib").mkdir()
    with open(_library.path, "rb") as library:
        (tmp_path / "cloze" / "lib" / "libcloze.so").write_bytes(library.read(40))
    program = start(
        FOREIGN.format(change=change), PYTHONPATH=os.pathsep.join([str(tmp_path), *sys.path]), CLOZE_LIBRARY="",
        LD_LIBRARY_PATH="")
    _, errors = program.communicate(timeout=60)
    if program.returncode == 0:  # a libcloze.so is installed on this machine
        return
    assert "ImportError" in errors and said in errors and "glibc 2.28 or later" in errors and "would help" in errors


def test_everything_that_is_public_is_documented() -> None:
    for name in cloze.__all__:
        thing = getattr(cloze, name)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert thing.__doc__ and len(thing.__doc__) > 20, name
    for owner in (cloze.Model, cloze.Tokenizer):
        for name, member in inspect.getmembers(owner, inspect.isfunction):
            if not name.startswith("_"):
                assert member.__doc__, f"{owner.__name__}.{name}"


def test_errors_carry_their_status_and_can_be_pickled() -> None:
    for made in (cloze.Error("too_long", "a sentence"), cloze.ArgumentError("invalid_text", "another")):
        copy = pickle.loads(pickle.dumps(made))
        assert (type(copy), copy.status, str(copy)) == (type(made), made.status, str(made))
    assert issubclass(cloze.ArgumentError, ValueError) and issubclass(cloze.ArgumentError, cloze.Error)
    assert not issubclass(cloze.Error, ValueError)


def test_the_program_in_the_readme_runs() -> None:
    readme = (ROOT / "bindings" / "python" / "README.md").read_text(encoding="utf-8")
    printed = finish(readme.split("```python\n")[1].split("```")[0])
    assert "<cloze.Model built in: 4 layers" in printed and "war " in printed
