"""The commands and programs of docs/TUTORIAL.md, in its order, print what the page shows."""

import os
import re
import sys

from conftest import ROOT, run

PAGE = (ROOT / "docs" / "TUTORIAL.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```\n(?:\n```\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)


NUMBER = re.compile(r"\d+\.\d{4,}")


def assert_shown(printed, shown):
  """The same text; numbers of training agree to 0.001, as its float32 sums differ between instruction sets."""
  assert NUMBER.sub("#", printed) == NUMBER.sub("#", shown)
  for a, b in zip(NUMBER.findall(printed), NUMBER.findall(shown)):
    assert abs(float(a) - float(b)) < 1e-3, f"{a} is shown as {b}"


def test_the_page(dist, tmp_path):
  env = {"PATH": f"{dist}/bin:{os.environ['PATH']}", "LD_LIBRARY_PATH": str(dist / "lib")}
  seen = []
  for language, text, shown in BLOCK.findall(PAGE):
    seen.append(language)
    if language == "console":
      for command, _, output in [part.partition("\n") for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]]:
        if file := re.fullmatch(r"cat (\S+)", command):
          (tmp_path / file[1]).write_text(output)
        else:
          assert_shown(run("bash", "-c", command, cwd=tmp_path, env=env), output)
    elif language == "python":
      (tmp_path / "tutorial.py").write_text(text)
      assert run(sys.executable, "tutorial.py", cwd=tmp_path) == shown
    else:
      (tmp_path / "tutorial.c").write_text(text)
      run("gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", tmp_path / "tutorial.c", "-o",
          tmp_path / "tutorial", f"-I{dist}/include", f"-L{dist}/lib", "-lcloze")
      assert run(tmp_path / "tutorial", cwd=tmp_path, env=env) == shown
  assert seen.count("console") >= 6 and "python" in seen and "c" in seen
