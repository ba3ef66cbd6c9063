"""`cloze pretrain` as a program: killed at random moments, by minutes, as JSON."""

import json
import os
import random
import subprocess
import time

import pytest

SMALL = "--vocab-size 90 --layers 1 --hidden 32 --heads 2 --max-tokens 32 --batch-size 8".split()

#: How often the run is started and killed; 20 times for docs/PRETRAINING.md.
KILLS = int(os.environ.get("CLOZE_KILLS", "6"))


@pytest.fixture
def command(dist, tmp_path):
  chance = random.Random(1)
  words = "cat dog house tree walks sees the a small green".split()
  documents = ("\n".join(" ".join(chance.choices(words, k=6)) for _ in range(15)) for _ in range(40))
  (tmp_path / "corpus.txt").write_text("\n\n".join(documents) + "\n")
  return [dist / "bin" / "cloze", "pretrain", "--data", tmp_path / "corpus.txt", *SMALL]


def lines(folder):
  return [json.loads(line) for line in (folder / "steps.jsonl").read_text().splitlines()]


def test_killed_runs_end_with_the_same_bits(command, tmp_path):
  command += ["--steps", "300"]
  start = time.monotonic()
  subprocess.run([*command, "--output", tmp_path / "whole"], check=True, capture_output=True)
  whole = time.monotonic() - start
  parts = [*command, "--output", tmp_path / "parts", "--resume", "--checkpoint-steps", "10"]
  chance = random.Random(2)
  unfinished = 0
  for _ in range(KILLS):
    with subprocess.Popen(parts, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
      time.sleep(chance.uniform(0, whole / 2))
      process.kill()
    files = {path.name for path in (tmp_path / "parts").glob("*")}
    unfinished += "checkpoint.safetensors" in files and "model.safetensors" not in files
  assert unfinished
  subprocess.run(parts, check=True, capture_output=True)
  same = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "parts")]
  assert same[0] == same[1]
  assert [line["step"] for line in lines(tmp_path / "parts")] == list(range(1, 301))


def test_minutes_end_the_schedule(command, tmp_path):
  subprocess.run(
      [*command, "--minutes", "0.05", "--output", tmp_path / "bert"], check=True, capture_output=True)
  assert json.loads((tmp_path / "bert" / "metrics.json").read_text())["seconds"] >= 3
  rates = [line["learning_rate"] for line in lines(tmp_path / "bert")]
  assert max(rates) > 5e-4 and rates[-1] < 2e-4


def test_json_is_what_is_written(command, tmp_path):
  done = subprocess.run(
      [*command, "--steps", "3", "--json", "--output", tmp_path / "bert"], check=True, capture_output=True)
  assert done.stdout == (tmp_path / "bert" / "metrics.json").read_bytes()
  assert set(json.loads(done.stdout)) == {
      "task", "precision", "mlm_loss", "mlm_perplexity", "mlm_accuracy", "nsp_loss", "nsp_accuracy", "tokens_per_second", "steps",
      "tokens", "seconds", "corpus", "valid", "remarks"}


def test_bfloat16_is_named_and_kept(command, tmp_path):
  rounded = [*command, "--precision", "bfloat16", "--json", "--output", tmp_path / "bert"]
  done = subprocess.run([*rounded, "--steps", "3"], check=True, capture_output=True, text=True)
  assert json.loads(done.stdout)["precision"] == "bfloat16"
  assert "bfloat16" in (tmp_path / "bert" / "report.html").read_text()
  flags = open("/proc/cpuinfo").read()
  assert ("float32 would be faster" in done.stderr) == (not ("avx512_bf16" in flags and "avx512_vnni" in flags))
  other = subprocess.run(
      [*command, "--steps", "3", "--resume", "--output", tmp_path / "bert"], capture_output=True, text=True)
  assert other.returncode == 64 and "a training in bfloat16, not float32" in other.stderr
  wrong = subprocess.run(
      [*command, "--precision", "float16", "--output", tmp_path / "new"], capture_output=True, text=True)
  assert wrong.returncode == 64 and "float32" in wrong.stderr and "bfloat16" in wrong.stderr
  assert not (tmp_path / "new").exists()
