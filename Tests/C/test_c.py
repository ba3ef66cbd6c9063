"""Compiles the C and C++ programs, which use cloze.h alone, and runs each of their tests in a process of its own."""

import re
import shutil
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


# Each program with both compilers on the archive of binaries, and with Debian's own on the Debian packages.
CASES = [
    pytest.param(program, name, tree, test, id=f"{program.stem}-{name}-{tree}-{test}")
    for programs, compilers in ((C_PROGRAMS, ("gcc", "clang")), (CXX_PROGRAMS, ("g++", "clang++")))
    for program in programs
    for name, tree in ((compilers[0], "dist"), (compilers[1], "dist"), (compilers[0], "debian"))
    for test in names(program)
]


@pytest.fixture(scope="session")
def built(request, tmp_path_factory):
  """Compiles a program once for each compiler and tree; returns its path and that of the library."""
  folder = tmp_path_factory.mktemp("programs")
  programs = {}

  def build(source, name, tree="dist"):
    prefix = request.getfixturevalue(tree)
    (library,) = prefix.glob("lib/libcloze.so") if tree == "dist" else prefix.glob("lib/*/libcloze.so")
    if (source, name, tree) not in programs:
      path = compiler(name)
      if path is None:
        pytest.skip(f"{name} is not installed")
      output = folder / f"{source.stem}-{name}-{tree}"
      language = CXX if source.suffix == ".cpp" else C
      # As needed, as loading.c opens the library itself.
      run(path, *language, *FLAGS, f"-I{prefix}/include", source, "-o", output, f"-L{library.parent}",
          "-Wl,--as-needed", "-lcloze", f"-Wl,-rpath,{library.parent}", "-lm")
      programs[source, name, tree] = output
    return programs[source, name, tree], library

  return build


def environment(library):
  return {
      "CLOZE_LIBRARY": str(library), "CLOZE_TEST_MODEL": str(ROOT / "models" / "cloze-mini"),
      "CLOZE_TEST_FIXTURES": str(ROOT / "Tests" / "Fixtures" / "onnx"), "PATH": "/usr/bin:/bin"}


@pytest.mark.parametrize("program", C_PROGRAMS + CXX_PROGRAMS, ids=lambda program: program.name)
def test_every_test_is_listed(built, program):
  path, _ = built(program, "gcc" if program.suffix == ".c" else "g++")
  listed = run(path, "--list").split()
  assert listed and sorted(listed) == sorted(names(program))


@pytest.mark.parametrize("program, name, tree, test", CASES)
def test_program(built, program, name, tree, test):
  path, library = built(program, name, tree)
  result = subprocess.run([path, test], text=True, capture_output=True, timeout=300, env=environment(library))
  if result.returncode == 77:
    pytest.skip(result.stdout.strip())
  assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("test", names(ROOT / "Tests" / "C" / "loading.c"))
def test_loading_under_valgrind(built, test):
  """No invalid access and nothing lost, where the library is opened and closed."""
  if shutil.which("valgrind") is None:
    pytest.skip("valgrind is not installed")
  path, library = built(ROOT / "Tests" / "C" / "loading.c", "gcc")
  # Debian's valgrind does not know AVX-512.
  variables = {**environment(library), "CLOZE_TEST_ROUNDS": "3"}
  if "avx2" in Path("/proc/cpuinfo").read_text():
    variables["CLOZE_ISA"] = "avx2"
  run("valgrind", "--quiet", "--error-exitcode=9", "--leak-check=full", "--show-leak-kinds=definite",
      "--errors-for-leak-kinds=definite", path, test, env=variables)


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
