"""Programs and commands in documents print what the documents show, and equal the examples."""

import os
import re
import sys

import pytest
from conftest import ROOT, run

README = (ROOT / "README.md").read_text() if (ROOT / "README.md").exists() else ""
FINETUNING = (ROOT / "docs" / "FINETUNING.md").read_text()

# A fenced block with its language, and the block without one that follows it: what it prints.
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```\n(?:\n```\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)


def program(language, document=README):
  """The document's program in this language, and the output shown for it."""
  found = [(text, output) for name, text, output in BLOCK.findall(document) if name == language and output]
  assert len(found) == 1, f"there are {len(found)} {language} programs with their output, not one"
  return found[0]


@pytest.mark.parametrize(
    "language, example, document",
    [("c", "tour.c", README), ("python", "tour.py", README), ("swift", "swift/Sources/Tour/main.swift", README),
     ("swift", "swift/Sources/Train/main.swift", FINETUNING)], ids=["c", "python", "Tour", "Train"])
def test_program_is_the_example(language, example, document):
  assert program(language, document)[0] == (ROOT / "examples" / example).read_text()


def test_c(dist, tmp_path):
  text, output = program("c")
  (tmp_path / "tour.c").write_text(text)
  run("gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", tmp_path / "tour.c", "-o", tmp_path / "tour",
      f"-I{dist}/include", f"-L{dist}/lib", "-lcloze")
  assert run(tmp_path / "tour", env={"LD_LIBRARY_PATH": str(dist / "lib")}) == output


def test_python(tmp_path):
  text, output = program("python")
  (tmp_path / "tour.py").write_text(text)
  assert run(sys.executable, "tour.py", cwd=tmp_path) == output


@pytest.fixture(scope="module")
def swift_package(tmp_path_factory):
  """A package outside the checkout that depends on it by path, with the programs of the documents."""
  folder = tmp_path_factory.mktemp("package")
  manifest = (ROOT / "examples" / "swift" / "Package.swift").read_text()
  assert 'path: "../.."' in manifest
  (folder / "Package.swift").write_text(manifest.replace('path: "../.."', f'path: "{ROOT}"'))
  for name, text in (("Tour", README), ("Train", FINETUNING)):
    (folder / "Sources" / name).mkdir(parents=True)
    (folder / "Sources" / name / "main.swift").write_text(program("swift", text)[0])
  run("swift", "build", cwd=folder, timeout=1800)
  return folder


@pytest.mark.parametrize("name, document", [("Tour", README), ("Train", FINETUNING)], ids=["Tour", "Train"])
def test_swift_in_a_package_of_its_own(swift_package, name, document):
  assert run(swift_package / ".build" / "debug" / name) == program("swift", document)[1]


CONSOLE = re.findall(r"^```console\n(.*?)^```\n", README, re.MULTILINE | re.DOTALL)


def transcripts():
  """Each command of a console block with the output shown for it."""
  for block in CONSOLE:
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
      command, _, output = part.partition("\n")
      if command.startswith("cloze "):
        yield command, output.rstrip("\n") + "\n"


def test_readme_shows_the_command_line():
  assert len(list(transcripts())) >= 2


@pytest.mark.parametrize("command, output", list(transcripts()))
def test_command_line(dist, tmp_path, command, output):
  env = {"PATH": f"{dist}/bin:{os.environ['PATH']}"}
  assert run("bash", "-c", command, cwd=tmp_path, env=env) == output
