"""Runs test suites and adds up their results.

    Tests/run.py [swift] [c] [python] [project] [frameworks]

Without names, all but frameworks, which is for an environment that has them. `make test` runs it in the virtual environment with pytest. What is tested is what users install: the
unpacked archive of binaries, and the wheel, which is installed in this virtual environment. The last line is
`N passed, N failed, N skipped`; a suite in which no test ran, or whose exit status contradicts its tests, counts as a
failure, and so does a test skipped without a reason. Exit status 0 if nothing failed.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / ".build" / "test-results"
UNPACKED = ROOT / ".build" / "test-archive"


class Count:
  """Numbers of tests passed and failed; suite, name and reason of those skipped."""

  def __init__(self):
    self.passed, self.failed = 0, 0
    self.skipped = []

  def read(self, suite, files):
    """Adds the test cases of JUnit files and returns their number."""
    total = 0
    for case in (case for file in files if file.exists() for case in ElementTree.parse(file).iter("testcase")):
      total += 1
      skipped = case.find("skipped")
      if skipped is not None:
        reason = skipped.get("message") or (skipped.text or "").strip()
        self.skipped.append((suite, f"{case.get('classname')}: {case.get('name')}", reason))
      elif case.find("failure") is not None or case.find("error") is not None:
        self.failed += 1
      else:
        self.passed += 1
    return total

  def suite(self, name, command, files, environment):
    """Runs a suite and adds its results; a crash, or no test at all, counts as one failure."""
    print(f"\n==== {name}", flush=True)
    for file in files:
      file.unlink(missing_ok=True)
    begun, failed = time.time(), self.failed
    status = subprocess.run(list(map(str, command)), cwd=ROOT, env=environment).returncode
    total = self.read(name, files)
    if total == 0:
      print(f"{name}: no test ran (exit status {status})")
      self.failed += 1
    elif status != 0 and self.failed == failed:
      print(f"{name}: exit status {status}, although no test failed")
      self.failed += 1
    print(f"---- {name}: {total} tests in {time.time() - begun:.0f} s", flush=True)


def swift(count, environment):
  file = RESULTS / "swift.xml"
  # Swift Testing writes a file of its own beside the one named, which is XCTest's.
  count.suite(
      "swift",
      ["swift", "test", "--disable-xctest", "--explicit-target-dependency-import-check", "error", "--xunit-output", file],
      [file, file.with_name("swift-swift-testing.xml")], environment)


def pytest(name, *paths):
  def suite(count, environment):
    file = RESULTS / f"{name}.xml"
    count.suite(
        name, [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={file}", *paths], [file],
        environment)
  return suite


SUITES = {
    "swift": swift,
    "c": pytest("c", "Tests/C"),
    "python": pytest("python", "bindings/python/tests"),
    "project": pytest("project", "Tests/Project"),
    "frameworks": pytest(
        "frameworks", *(f"bindings/python/tests/test_{name}.py" for name in ("arrow", "frameworks", "neighbours", "ray", "search"))),
}


def install():
  """Unpacks the archive of binaries and installs the wheel; returns the archive's tree."""
  (archive,) = (ROOT / "dist").glob("cloze-*-linux-*.tar.xz")
  (wheel,) = (ROOT / "dist").glob("cloze-*.whl")
  shutil.rmtree(UNPACKED, ignore_errors=True)
  UNPACKED.mkdir(parents=True)
  subprocess.run(["tar", "-xf", archive, "-C", UNPACKED], check=True)
  subprocess.run(
      [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--force-reinstall",
       wheel], check=True)
  (tree,) = UNPACKED.iterdir()
  return tree


def main():
  names = sys.argv[1:] or [name for name in SUITES if name != "frameworks"]
  if unknown := [name for name in names if name not in SUITES]:
    sys.exit(f"unknown suite {', '.join(unknown)}; there are {', '.join(SUITES)}")
  RESULTS.mkdir(parents=True, exist_ok=True)
  # A shell starts background jobs with SIGINT ignored, which programs that tests interrupt would inherit.
  signal.signal(signal.SIGINT, signal.default_int_handler)
  tree = install()
  environment = {
      **os.environ, "CLOZE_DIST": str(tree), "CLOZE_COMMAND": str(tree / "bin" / "cloze"), "PYTHONDONTWRITEBYTECODE": "1"}
  # A forced instruction set would fail the tests of dispatch and leave other variants untested; the others would put
  # something else in the place of what is tested.
  for name in ("CLOZE_ISA", "CLOZE_LIBRARY", "PYTHONPATH", "LD_LIBRARY_PATH"):
    environment.pop(name, None)

  count = Count()
  for name in names:
    SUITES[name](count, environment)
  if count.skipped:
    print("\nSkipped:")
    for suite, test, reason in count.skipped:
      print(f"  {suite}: {test}: {reason or 'no reason was given'}")
  without_reason = sum(not reason for _, _, reason in count.skipped)
  if without_reason:
    print(f"{without_reason} tests were skipped without a reason, which counts as failure")
  print(f"\n{count.passed} passed, {count.failed + without_reason} failed, {len(count.skipped) - without_reason} skipped")
  sys.exit(1 if count.failed or without_reason else 0)


if __name__ == "__main__":
  main()
