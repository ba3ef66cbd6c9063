"""libcloze.so: its size, exported symbols and dependencies."""

import re

import pytest
from conftest import run


@pytest.fixture(scope="module")
def library(dist):
  return (dist / "lib" / "libcloze.so").resolve()


def declared(header):
  """The functions that cloze.h declares."""
  return set(re.findall(r"^CLOZE_API [^;]*?\b(cloze_\w+)\(", header.read_text(), re.MULTILINE))


def test_exports_what_the_header_declares_and_nothing_else(root, library):
  exported = {line.split()[-1] for line in run("nm", "-D", "--defined-only", library).splitlines()}
  assert exported == declared(root / "include" / "cloze.h")


def test_header_declares_functions(root):
  assert {"cloze_version", "cloze_model_load", "cloze_run"} <= declared(root / "include" / "cloze.h")


BINARIES = ("lib/libcloze.so", "bin/cloze")


@pytest.mark.parametrize("binary", BINARIES)
def test_needs_the_c_library_alone(dist, binary):
  needed = re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-dW", dist / binary))
  assert needed
  assert not [name for name in needed if not re.fullmatch(r"(lib(c|m|dl|rt|pthread)|ld-linux.*)\.so\.\d+", name)]


@pytest.mark.parametrize("binary", BINARIES)
def test_asks_for_glibc_2_28_at_most(dist, binary):
  versions = re.findall(r"Name: (\S+)  Flags", run("readelf", "-VW", dist / binary))
  assert versions and all(re.fullmatch(r"GLIBC_2\.\d+(\.\d+)?", name) for name in versions)
  assert max(int(name.split(".")[1]) for name in versions) <= 28
  assert "RELR" not in run("readelf", "-dW", dist / binary)


@pytest.mark.parametrize("binary", BINARIES)
def test_imports_nothing_of_cxx(dist, binary):
  symbols = [line.split() for line in run("nm", "-D", "--undefined-only", dist / binary).splitlines()]
  imported = {name.split("@")[0] for *_, name in symbols}
  ours = {"__cxa_atexit", "__cxa_finalize", "__cxa_thread_atexit_impl"}  # the C library's own
  assert not {name for name in imported - ours if re.match(r"_Z|__cxa|__gxx|_Unwind|__dynamic_cast", name)}
  # Weak ones are what the start files of every program ask for, and how libgcc finds out whether there are threads.
  weak = {name.split("@")[0] for kind, name in symbols if kind in "wv"}
  assert weak <= {
      "__cxa_finalize", "__gmon_start__", "_ITM_deregisterTMCloneTable", "_ITM_registerTMCloneTable", "__pthread_key_create"}


def test_exports_nothing_weak_or_unique(library):
  defined = [line.split() for line in run("nm", "-D", "--defined-only", library).splitlines()]
  assert {kind for _, kind, _ in defined} == {"T"}


def test_stays_loaded(library):
  assert "NODELETE" in run("readelf", "-dW", library)


def test_soname(library):
  assert re.findall(r"\(SONAME\).*\[(.*)\]", run("readelf", "-dW", library)) == ["libcloze.so.0"]


def test_is_stripped_and_at_most_11_megabytes(library):
  assert ".symtab" not in run("readelf", "-SW", library)
  assert library.stat().st_size <= 11_000_000


def test_does_not_know_where_it_was_built(root, library):
  assert str(root).encode() not in library.read_bytes()


def test_stack_is_not_executable(library):
  stack = re.search(r"GNU_STACK.*", run("readelf", "-lW", library))
  assert stack and " RWE " not in stack[0]


def test_model_is_below_16_megabytes(root):
  folder = root / "models" / "cloze-mini"
  assert sum(file.stat().st_size for file in folder.iterdir()) < 16_000_000
  assert {"model.onnx", "tokenizer.json", "config.json", "README.md"} <= {file.name for file in folder.iterdir()}
