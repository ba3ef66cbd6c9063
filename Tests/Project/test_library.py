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


def test_carries_swift_inside(library):
  needed = re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-dW", library))
  assert needed
  assert not [name for name in needed if re.search("swift|Foundation|dispatch|Blocks", name, re.IGNORECASE)]
  allowed = r"(libonnx_proto|libprotobuf|libstdc\+\+|libgcc_s|libm|libc|libz|ld-linux.*)\.so.*"
  assert not [name for name in needed if not re.fullmatch(allowed, name)]


def test_soname(library):
  assert re.findall(r"\(SONAME\).*\[(.*)\]", run("readelf", "-dW", library)) == ["libcloze.so.0"]


def test_is_stripped_and_at_most_9_megabytes(library):
  assert ".symtab" not in run("readelf", "-SW", library)
  assert library.stat().st_size <= 9_000_000


def test_does_not_know_where_it_was_built(root, library):
  assert str(root).encode() not in library.read_bytes()


def test_stack_is_not_executable(library):
  stack = re.search(r"GNU_STACK.*", run("readelf", "-lW", library))
  assert stack and " RWE " not in stack[0]


def test_model_is_below_16_megabytes(root):
  folder = root / "models" / "cloze-mini"
  assert sum(file.stat().st_size for file in folder.iterdir()) < 16_000_000
  assert {"model.onnx", "tokenizer.json", "config.json", "README.md"} <= {file.name for file in folder.iterdir()}
