"""make install: the installed files, and programs that find them by pkg-config, CMake and compiler flags."""

import os
import shutil

import pytest
from conftest import ROOT, run

PROGRAM = """
#include <cloze.h>
#include <stdio.h>
int main(void) {
  cloze_model *model = NULL;
  if (cloze_model_load(NULL, NULL, &model) != CLOZE_OK) return printf("%s\\n", cloze_last_error()), 1;
  cloze_info info = {.struct_size = sizeof info};
  if (cloze_model_info(model, &info) != CLOZE_OK) return 1;
  printf("%s %d\\n", cloze_version(), info.hidden_size);
  cloze_model_free(model);
  return 0;
}
"""


def version():
  numbers = [line.split()[2] for line in (ROOT / "include" / "cloze.h").read_text().splitlines()
             if line.startswith("#define CLOZE_VERSION_")]
  return ".".join(numbers)


@pytest.fixture(scope="module")
def installed(dist, tmp_path_factory):
  """The folder /opt/cloze, staged below a DESTDIR and then moved elsewhere, as packagers do."""
  stage = tmp_path_factory.mktemp("stage")
  run("make", "install", f"DESTDIR={stage}", "PREFIX=/opt/cloze", cwd=ROOT)
  moved = tmp_path_factory.mktemp("moved") / "cloze"
  shutil.move(stage / "opt" / "cloze", moved)
  return moved


@pytest.fixture
def source(tmp_path):
  path = tmp_path / "program.c"
  path.write_text(PROGRAM)
  return path


def test_files(installed):
  files = {str(path.relative_to(installed)) for path in installed.rglob("*") if not path.is_dir()}
  expected = {
      "bin/cloze", "include/cloze.h", "lib/libcloze.so", "lib/libcloze.so.0", f"lib/libcloze.so.{version()}",
      "lib/pkgconfig/cloze.pc", "lib/cmake/cloze/clozeConfig.cmake", "lib/cmake/cloze/clozeConfigVersion.cmake",
      "share/man/man1/cloze.1", "share/bash-completion/completions/cloze", "share/zsh/site-functions/_cloze",
      "share/fish/vendor_completions.d/cloze.fish"}
  models = {f"share/cloze/models/cloze-mini/{file.name}" for file in (ROOT / "models" / "cloze-mini").iterdir()}
  assert files == expected | models
  assert os.readlink(installed / "lib" / "libcloze.so") == "libcloze.so.0"
  assert os.readlink(installed / "lib" / "libcloze.so.0") == f"libcloze.so.{version()}"


def test_pkg_config(installed, source, tmp_path):
  env = {"PKG_CONFIG_PATH": str(installed / "lib" / "pkgconfig")}
  assert run("pkg-config", "--modversion", "cloze", env=env).strip() == version()
  flags = run("pkg-config", "--cflags", "--libs", "cloze", env=env).split()
  run("gcc", "-std=c11", source, "-o", tmp_path / "program", *flags)
  assert run(tmp_path / "program", env={"LD_LIBRARY_PATH": str(installed / "lib")}) == f"{version()} 256\n"


CMAKE = """
cmake_minimum_required(VERSION 3.16)
project(program C)
find_package(cloze {version} REQUIRED)
add_executable(program program.c)
target_link_libraries(program PRIVATE cloze::cloze)
"""


def configure(installed, tmp_path, wanted, expect=0):
  if shutil.which("cmake") is None:
    pytest.skip("cmake is not installed")
  (tmp_path / "CMakeLists.txt").write_text(CMAKE.format(version=wanted))
  return run("cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={installed}", expect=expect)


def test_cmake(installed, source, tmp_path):
  major, minor, _ = version().split(".")
  configure(installed, tmp_path, f"{major}.{minor}")
  run("cmake", "--build", tmp_path / "build")
  assert run(tmp_path / "build" / "program") == f"{version()} 256\n"


@pytest.mark.parametrize("wanted", ["99.0", "0.99"])
def test_cmake_refuses_another_version(installed, source, tmp_path, wanted):
  configure(installed, tmp_path, wanted, expect=1)


def test_command(installed):
  output = run(installed / "bin" / "cloze", "fill-mask", "台[MASK]大学", "--top-k", "1", cwd="/")
  assert "北" in output


def test_completions_and_manual(installed, tmp_path):
  command = installed / "bin" / "cloze"
  names = [line.split()[0] for line in run(command, "--help").split("SUBCOMMANDS:")[1].splitlines()
           if line.startswith("  ") and line[2].islower()]
  assert {"embed", "evaluate", "search"} < set(names)
  manual = (installed / "share" / "man" / "man1" / "cloze.1").read_text()
  for name in names:
    assert f'.SH "CLOZE {name.upper()}"' in manual
  assert manual.count("\n.SH ") == 3 + len(names) and f"cloze {version()}" in manual
  if shutil.which("groff"):
    text = run("groff", "-K", "utf8", "-man", "-T", "utf8", installed / "share" / "man" / "man1" / "cloze.1")
    assert "USAGE: cloze evaluate" in text
  # bash completes commands and options.
  script = f"""
source {installed}/share/bash-completion/completions/cloze
COMP_WORDS=(cloze "$@"); COMP_CWORD=$#; COMP_LINE="cloze $*"; COMP_POINT=${{#COMP_LINE}}
_cloze cloze "${{!#}}" "${{@: -2:1}}"
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
  env = {"PATH": f"{installed}/bin:{os.environ['PATH']}"}
  assert run("bash", "-c", script, "bash", "eva", env=env).split() == ["evaluate"]
  assert "--max-tokens" in run("bash", "-c", script, "bash", "predict", "--max", env=env)
  for shell, path in (("zsh", "share/zsh/site-functions/_cloze"), ("fish", "share/fish/vendor_completions.d/cloze.fish")):
    text = (installed / path).read_text()
    assert all(name in text for name in names)
    if shutil.which(shell):
      run(shell, "-n", installed / path)


def test_says_what_is_missing_without_the_model(installed, source, tmp_path):
  bare = tmp_path / "bare"
  shutil.copytree(installed / "lib", bare / "lib", symlinks=True)
  run("gcc", "-std=c11", source, "-o", tmp_path / "program", f"-I{installed}/include", f"-L{bare}/lib", "-lcloze")
  output = run(tmp_path / "program", env={"LD_LIBRARY_PATH": str(bare / "lib")}, expect=1)
  assert "cloze-mini" in output


def test_uninstall_leaves_nothing(dist, tmp_path):
  run("make", "install", f"DESTDIR={tmp_path}", "PREFIX=/usr", cwd=ROOT)
  run("make", "uninstall", f"DESTDIR={tmp_path}", "PREFIX=/usr", cwd=ROOT)
  assert [path for path in tmp_path.rglob("*") if not path.is_dir()] == []


def test_second_make_does_nothing(dist):
  assert run("make", "--question", cwd=ROOT) == ""
