"""Commands of docs/SEARCH.md print what the page shows; bindings/python/tests/test_search.py has its programs."""

import os
import re

from conftest import ROOT, run

PAGE = (ROOT / "docs" / "SEARCH.md").read_text()


def test_commands(dist, tmp_path):
  (block,) = re.findall(r"^```console\n(.*?)^```\n", PAGE, re.MULTILINE | re.DOTALL)
  commands = [part.partition("\n") for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]
  assert len(commands) == 3
  env = {"PATH": f"{dist}/bin:{os.environ['PATH']}"}
  for command, _, output in commands:
    assert run("bash", "-c", command, cwd=tmp_path, env=env) == output
