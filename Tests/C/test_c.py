"""Compiles the C and C++ programs, which use cloze.h alone, and runs each of their tests in a process of its own."""

import re
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT, compiler, run

FLAGS = ["-O1", "-g", "-Wall", "-Wextra", "-Wconversion", "-Wno-sign-conversion", "-Werror", "-pedantic", "-pthread"]
C = ["-std=c11", "-D_GNU_SOURCE"]
CXX = ["-std=c++17"]

C_PROGRAMS = sorted((ROOT / "Tests" / "C").glob("*.c"))
CXX_PROGRAMS = sorted((ROOT / "Tests" / "CXX").glob("*.cpp"))


def names(program):
  """The tests of a program, from its table."""
  return re.findall(r'^    \{"(\w+)", \w+\},$', program.read_text(), re.MULTILINE)


CASES = [
    pytest.param(program, name, test, id=f"{program.stem}-{name}-{test}")
    for programs, compilers in ((C_PROGRAMS, ("gcc", "clang")), (CXX_PROGRAMS, ("g++", "clang++")))
    for program in programs
    for name in compilers
    for test in names(program)
]


@pytest.fixture(scope="session")
def built(dist, tmp_path_factory):
  """Compiles a program once for each compiler; returns its path."""
  folder = tmp_path_factory.mktemp("programs")
  programs = {}

  def build(source, name):
    if (source, name) not in programs:
      path = compiler(name)
      if path is None:
        pytest.skip(f"{name} is not installed")
      output = folder / f"{source.stem}-{name}"
      language = CXX if source.suffix == ".cpp" else C
      run(path, *language, *FLAGS, f"-I{dist}/include", source, "-o", output, f"-L{dist}/lib", "-lcloze",
          f"-Wl,-rpath,{dist}/lib", "-lm")
      programs[source, name] = output
    return programs[source, name]

  return build


@pytest.mark.parametrize("program", C_PROGRAMS + CXX_PROGRAMS, ids=lambda program: program.name)
def test_every_test_is_listed(built, program):
  listed = run(built(program, "gcc" if program.suffix == ".c" else "g++"), "--list").split()
  assert listed and sorted(listed) == sorted(names(program))


@pytest.mark.parametrize("program, name, test", CASES)
def test_program(built, root, program, name, test):
  result = subprocess.run(
      [built(program, name), test], text=True, capture_output=True, timeout=300,
      env={
          "CLOZE_TEST_MODEL": str(root / "models" / "cloze-mini"),
          "CLOZE_TEST_FIXTURES": str(root / "Tests" / "Fixtures" / "onnx"), "PATH": "/usr/bin:/bin"})
  if result.returncode == 77:
    pytest.skip(result.stdout.strip())
  assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    "name, standard",
    [("gcc", "c99"), ("gcc", "c11"), ("gcc", "c17"), ("clang", "c99"), ("clang", "c11"), ("clang", "c17"),
     ("g++", "c++11"), ("g++", "c++20"), ("clang++", "c++11"), ("clang++", "c++20")])
def test_header_stands_alone(root, tmp_path, name, standard):
  """The header is the first thing a file includes, in every standard that people compile with, without a warning."""
  path = compiler(name)
  if path is None:
    pytest.skip(f"{name} is not installed")
  source = tmp_path / ("alone.cpp" if "++" in name else "alone.c")
  source.write_text("#include <cloze.h>\nint main(void) { return cloze_version()[0] == 0; }\n")
  run(path, f"-std={standard}", "-Wall", "-Wextra", "-Werror", "-pedantic", f"-I{root}/include", "-fsyntax-only", source)
