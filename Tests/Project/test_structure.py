"""The documents and the sources say the same of the project's structure."""

import json
import re
import subprocess
from pathlib import Path

import pytest

# Names of environment variables that the project does not define.
FOREIGN = {"PATH", "HOME", "CI", "LD_LIBRARY_PATH", "LD_PRELOAD", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "TMPDIR", "RUST_BACKTRACE"}


@pytest.fixture(scope="module")
def targets(root: Path) -> dict[str, set[str]]:
  """Targets of Package.swift below Sources, and what each depends on."""
  dump = subprocess.run(
      ["swift", "package", "--package-path", root, "dump-package"], check=True, capture_output=True, text=True).stdout
  found = {}
  for target in json.loads(dump)["targets"]:
    if target["type"] == "test" or (target.get("path") or "Sources").split("/")[0] != "Sources":
      continue
    found[target["name"]] = {
        (dependency.get("byName") or dependency.get("product") or dependency.get("target"))[0]
        for dependency in target["dependencies"]
    }
  return found


def functions(root: Path) -> list[str]:
  header = (root / "include/cloze.h").read_text()
  return sorted(set(re.findall(r"^CLOZE_API[^;(]*?\b(cloze_\w+)\(", header, re.MULTILINE)))


def test_module_table_is_that_of_the_package(root: Path, targets: dict[str, set[str]]) -> None:
  text = (root / "docs/ARCHITECTURE.md").read_text()
  table = text[text.index("| module | may import |"):]
  table = table[:table.index("\n\n")]
  rows = {}
  for line in table.splitlines()[2:]:
    module, imports = line.strip("|").split("|")
    rows[module.strip().strip("`")] = set(re.findall(r"`(\w+)`", imports))
  assert rows == targets


def test_every_source_folder_is_in_the_list_of_modules(root: Path) -> None:
  text = (root / "docs/ARCHITECTURE.md").read_text()
  for folder in sorted((root / "Sources").iterdir()):
    assert re.search(rf"\b{folder.name}\b", text), f"{folder.name} is not in docs/ARCHITECTURE.md"


def test_c_modules_show_in_no_public_interface(root: Path) -> None:
  for file in (root / "Sources").rglob("*.swift"):
    for line in file.read_text().splitlines():
      if re.search(r"\bimport CCloze\w+", line):
        assert re.match(r"\s*(internal|package) import", line) or "ClozeBenchmark" in file.parts, f"{file}: {line}"


def test_every_extension_file_says_what_it_holds(root: Path) -> None:
  missing = []
  for file in sorted((root / "Sources").rglob("*+*.swift")):
    lines = file.read_text().splitlines()
    first = next((i for i, line in enumerate(lines) if re.match(r"(public |package |private |fileprivate )?extension ", line)), 0)
    if first and not lines[first - 1].startswith("///"):
      missing.append(file.relative_to(root).as_posix())
  assert missing == []


def test_every_function_of_the_header_is_documented(root: Path) -> None:
  text = (root / "docs/C.md").read_text()
  assert [name for name in functions(root) if not re.search(rf"\b{name}\b", text)] == []


def test_every_function_of_the_header_is_bound_in_python(root: Path) -> None:
  text = (root / "bindings/python/src/cloze/_abi.py").read_text()
  assert [name for name in functions(root) if not re.search(rf"\b{name}\b", text)] == []


def test_every_function_of_the_header_is_called_by_a_test(root: Path) -> None:
  text = "".join(file.read_text() for file in sorted((root / "Tests/C").glob("*.[ch]")))
  assert [name for name in functions(root) if not re.search(rf"\b{name}\(", text)] == []


def test_every_environment_variable_is_documented(root: Path) -> None:
  read = set()
  for folder, pattern in [("Sources", "*.swift"), ("Sources", "*.c"), ("bindings/python/src", "*.py"), ("Tests", "*.py"),
                          ("Tests", "*.swift")]:
    for file in (root / folder).rglob(pattern):
      text = file.read_text()
      read |= set(re.findall(r"""(?:environment|getenv|environ(?:\.get|\.pop)?|environment\.get)[(\[]\s*"([A-Z_]+)\"""", text))
      read |= set(re.findall(r"\b(CLOZE_(?:LIBRARY|MODELS|SHARED|ISA|COMMAND)\w*)\b", text)) if file.suffix == ".py" else set()
  text = (root / "CONTRIBUTING.md").read_text()
  assert read - FOREIGN
  assert sorted(name for name in read - FOREIGN if f"`{name}`" not in text) == []
