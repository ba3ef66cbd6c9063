"""`cloze train` as a program: its output files, and resuming after being killed."""

import json
import os
import random
import re
import signal
import subprocess
import time

import pytest
from conftest import ROOT, run

GOOD = "wonderful great lovely charming brilliant".split()
BAD = "terrible awful boring dreadful poor".split()
NOUNS = "film book song play meal".split()

#: How often the run is started and killed; 50 times for docs/FINETUNING.md.
KILLS = int(os.environ.get("CLOZE_KILLS", "6"))


@pytest.fixture
def reviews(tmp_path):
  chance = random.Random(1)
  path = tmp_path / "reviews.tsv"
  lines = ["text\tlabel"]
  for _ in range(400):
    good = chance.random() < 0.5
    lines.append(f"a {chance.choice(GOOD if good else BAD)} {chance.choice(NOUNS)}\t{'good' if good else 'bad'}")
  path.write_text("\n".join(lines) + "\n")
  return path


def command(dist, reviews, output, *more):
  return [dist / "bin" / "cloze", "train", "classify", "--data", reviews, "--text", "text", "--label", "label",
          "--output", output, *more]


def test_train_and_predict(dist, reviews, tmp_path):
  output = tmp_path / "head"
  printed = run(*command(dist, reviews, output, "--json", "--export"))
  result = json.loads(printed)
  assert result["metrics"]["accuracy"] > 0.9
  assert set(os.listdir(output)) >= {
      "head.safetensors", "metrics.json", "model.onnx", "report.html", "steps.jsonl"}
  assert all(json.loads(line) for line in (output / "steps.jsonl").read_text().splitlines())
  report = (output / "report.html").read_text()
  assert "<svg" in report and "http" not in report
  said = run(dist / "bin" / "cloze", "predict", "--head", output, "--json", "a lovely song", "a poor meal")
  assert [json.loads(line)["label"] for line in said.splitlines()] == ["good", "bad"]


def test_documented_evaluation(dist, tmp_path):
  """The example of docs/FINETUNING.md prints what it shows."""
  text = (ROOT / "docs" / "FINETUNING.md").read_text()
  block = re.search(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[1]
  parts = [part.partition("\n")[::2] for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]
  assert [command.split()[:2] for command, _ in parts] == [
      ["cat", "train.tsv"], ["cat", "test.tsv"], ["cloze", "train"], ["cloze", "evaluate"]]
  env = {"PATH": f"{dist}/bin:{os.environ['PATH']}"}
  for command, output in parts:
    if command.startswith("cat "):
      (tmp_path / command.split()[1]).write_text(output)
    else:
      assert run("bash", "-c", command, cwd=tmp_path, env=env) == output
  page = (tmp_path / "test.html").read_text()
  assert "baseline: always" in page and "Most wrong" in page and "http" not in page


def test_evaluation_as_json(dist, reviews, tmp_path):
  program = dist / "bin" / "cloze"
  run(*command(dist, reviews, tmp_path / "head", "--valid", reviews))
  evaluate = [program, "evaluate", "--head", tmp_path / "head", "--data"]
  columns = ["--text", "text", "--label", "label"]
  result = json.loads(run(*evaluate, reviews, *columns, "--json"))
  text = (ROOT / "docs" / "COMMAND-LINE.md").read_text()
  table = text[text.index("`evaluate --json` prints"):]
  rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", table[:table.index("`train --json`")], re.MULTILINE)
  assert list(result) == re.findall(r"\w+", " ".join(rows))
  metrics = json.loads((tmp_path / "head" / "metrics.json").read_text())
  assert metrics["baseline"] == result["baseline"] and metrics["metrics"].keys() == result["metrics"].keys()
  assert result["metrics"]["accuracy"] == metrics["metrics"]["accuracy"] and result["examples"] == 400
  assert list(result["classes"][0]) == ["label", "precision", "recall", "f1", "support"]

  bad = tmp_path / "bad.tsv"
  bad.write_text("text\tlabel\na film\tgood\na film\tfair\n")
  said = subprocess.run([*evaluate, bad, *columns], capture_output=True, text=True)
  assert said.returncode == 1 and said.stdout == ""
  assert 'bad.tsv:3: the head has no label "fair"; its labels are "bad", "good"' in said.stderr
  said = subprocess.run([*evaluate, bad, *columns, "--skip-bad"], capture_output=True, text=True)
  assert said.returncode == 0 and "1 example\n" in said.stdout and "1 example with unknown labels left out" in said.stderr
  empty = tmp_path / "empty.tsv"
  empty.write_text("")
  run(*evaluate, empty, expect=1)
  run(*evaluate, tmp_path / "none.tsv", expect=1)
  run(*evaluate, reviews, *columns, "--task", "tag", expect=64)
  run(*evaluate, reviews, *columns, "--report", reviews, expect=64)
  run(program, "evaluate", "--data", reviews, *columns, expect=1)
  texts = tmp_path / "texts.txt"
  texts.write_text("The first world war began in 1914.\nIt ended in 1918.\n\nWater boils.\nIce melts.\n")
  own = json.loads(run(program, "evaluate", "--task", "mlm", "--data", texts, "--json"))
  assert own["metric"] == "perplexity" and own["confusion"] == []


def test_what_is_refused(dist, reviews, tmp_path):
  run(*command(dist, reviews, tmp_path / "head", "--epochs", "0"), expect=64)
  run(*command(dist, tmp_path / "none.tsv", tmp_path / "head"), expect=1)
  run(dist / "bin" / "cloze", "predict", "--head", tmp_path, "text", expect=1)
  bad = tmp_path / "bad.tsv"
  bad.write_text(reviews.read_text() + "no label\n")
  run(*command(dist, bad, tmp_path / "head"), expect=1)
  run(*command(dist, bad, tmp_path / "head", "--skip-bad"))


def test_killed_runs_go_on_to_the_same_bits(dist, reviews, tmp_path):
  options = ["--optimizer", "adamw", "--epochs", "40", "--patience", "0", "--hidden", "64", "--dropout", "0.1",
             "--batch-size", "4"]
  begun = time.monotonic()
  run(*command(dist, reviews, tmp_path / "whole", *options))
  whole = time.monotonic() - begun
  chance = random.Random(2)
  killed = 0
  output = tmp_path / "killed"
  for _ in range(KILLS):
    program = subprocess.Popen(
        list(map(str, command(dist, reviews, output, *options, "--resume"))), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE)
    try:
      program.wait(chance.uniform(0, whole))
    except subprocess.TimeoutExpired:
      program.send_signal(signal.SIGKILL)
      killed += 1
    _, errors = program.communicate()
    assert program.returncode in (0, -signal.SIGKILL), errors
  run(*command(dist, reviews, output, *options, "--resume"))
  assert killed > 0
  head = "head.safetensors"
  assert (output / head).read_bytes() == (tmp_path / "whole" / head).read_bytes()


def test_an_interrupted_run_says_how_it_goes_on(dist, reviews, tmp_path):
  options = ["--optimizer", "adamw", "--epochs", "60", "--patience", "0", "--batch-size", "2", "--hidden", "64"]
  run(*command(dist, reviews, tmp_path / "whole", *options))
  output = tmp_path / "interrupted"
  program = subprocess.Popen(
      list(map(str, command(dist, reviews, output, *options))), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
      text=True)
  while not (output / "checkpoint.safetensors").exists() and program.poll() is None:
    time.sleep(0.01)
  program.send_signal(signal.SIGINT)
  _, errors = program.communicate()
  assert program.returncode == -signal.SIGINT and "--resume goes on" in errors
  assert not (output / "head.safetensors").exists()
  run(*command(dist, reviews, output, *options, "--resume"))
  assert (output / "head.safetensors").read_bytes() == (tmp_path / "whole" / "head.safetensors").read_bytes()
  steps = [json.loads(line) for line in (output / "steps.jsonl").read_text().splitlines()]
  numbers = [step["step"] for step in steps if "step" in step]
  assert numbers == sorted(set(numbers)) and numbers[-1] == 60 * 180


def test_an_earlier_training_stays(dist, reviews, tmp_path):
  output = tmp_path / "head"
  options = ["--optimizer", "adamw", "--epochs", "2"]
  run(*command(dist, reviews, output, *options))
  before = {name: (output / name).read_bytes() for name in os.listdir(output)}
  again = subprocess.run(list(map(str, command(dist, reviews, output, *options, "--seed", "1"))), capture_output=True, text=True)
  assert again.returncode == 64 and "--overwrite" in again.stderr
  assert {name: (output / name).read_bytes() for name in os.listdir(output)} == before
  (output / "head.safetensors").unlink()
  again = subprocess.run(list(map(str, command(dist, reviews, output, *options))), capture_output=True, text=True)
  assert again.returncode == 64 and "--resume" in again.stderr and "--overwrite" in again.stderr
  run(*command(dist, reviews, output, *options, "--overwrite"))
  assert (output / "head.safetensors").read_bytes() == before["head.safetensors"]


def test_training_writes_over_nothing_that_it_reads(dist, reviews, tmp_path):
  output = tmp_path / "head"
  output.mkdir()
  (output / "steps.jsonl").symlink_to(reviews)
  before = reviews.read_bytes()
  done = subprocess.run(list(map(str, command(dist, reviews, output))), capture_output=True, text=True)
  assert done.returncode == 64 and "is read" in done.stderr and reviews.read_bytes() == before


def test_what_was_assumed_is_said(dist, tmp_path):
  data = tmp_path / "names.txt"
  data.write_text("EU NNP B-ORG\nrejects VBZ O\n\nPeter NNP B-PER\nsleeps VBZ O\n\n" * 6)
  done = subprocess.run(
      [dist / "bin" / "cloze", "train", "tag", "--data", data, "--output", tmp_path / "names", "--epochs", "1"],
      capture_output=True, text=True)
  assert done.returncode == 0 and "column 3 as the tag" in done.stderr, done.stderr
  data.write_text("rejects VBZ\nEU NNP\n\n" * 6)
  done = subprocess.run(
      [dist / "bin" / "cloze", "train", "tag", "--data", data, "--output", tmp_path / "words", "--epochs", "1"],
      capture_output=True, text=True)
  assert done.returncode == 0 and "B- or I-" in done.stderr, done.stderr
