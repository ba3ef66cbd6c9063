"""Writes metrics.expected: predictions with the figures that scikit-learn, SciPy and seqeval give for them.

    pip install scikit-learn scipy seqeval && python make_metrics.py
"""

import json
import random
import warnings
from pathlib import Path

import numpy as np
import scipy.stats
import seqeval.metrics
import sklearn.metrics as metrics

warnings.simplefilter("ignore")
chance = random.Random(1)


def table(truth, predicted, **options):
  return np.array(metrics.precision_recall_fscore_support(truth, predicted, zero_division=0, **options), float).T.tolist()


def classes(labels, used, count):
  """Of ``labels`` labels only the first ``used`` occur."""
  truth = [chance.randrange(used) for _ in range(count)]
  predicted = [one if chance.random() < 0.6 else chance.randrange(used) for one in truth]
  return {
      "labels": labels, "truth": truth, "predicted": predicted, "scores": table(truth, predicted, labels=range(labels)),
      "metrics": {
          "accuracy": metrics.accuracy_score(truth, predicted), "f1_macro": metrics.f1_score(truth, predicted, average="macro"),
          "f1_micro": metrics.f1_score(truth, predicted, average="micro"),
          "matthews": metrics.matthews_corrcoef(truth, predicted)}}


def labels(columns, rows):
  truth = [[int(chance.random() < 0.4) for _ in range(columns)] for _ in range(rows)]
  # The last label is never predicted.
  predicted = [[one if chance.random() < 0.7 else 1 - one for one in row[:-1]] + [0] for row in truth]
  return {
      "truth": truth, "predicted": predicted, "scores": table(np.array(truth), np.array(predicted)),
      "metrics": {
          "accuracy": metrics.accuracy_score(truth, predicted),
          "f1_macro": metrics.f1_score(truth, predicted, average="macro", zero_division=0),
          "f1_micro": metrics.f1_score(truth, predicted, average="micro", zero_division=0)}}


def tags(names, sentences, right):
  truth = [[chance.choice(names) for _ in range(chance.randrange(1, 12))] for _ in range(sentences)]
  predicted = [[one if chance.random() < right else chance.choice(names) for one in row] for row in truth]
  report = seqeval.metrics.classification_report(truth, predicted, output_dict=True, zero_division=0)
  types = sorted(key for key in report if not key.endswith(" avg"))
  return {
      "truth": truth, "predicted": predicted, "types": types,
      "scores": [[float(report[one][key]) for key in ("precision", "recall", "f1-score", "support")] for one in types],
      "metrics": {
          "f1": float(seqeval.metrics.f1_score(truth, predicted)),
          "precision": float(seqeval.metrics.precision_score(truth, predicted)),
          "recall": float(seqeval.metrics.recall_score(truth, predicted)),
          "accuracy": float(seqeval.metrics.accuracy_score(truth, predicted))}}


def values(count):
  # Numbers of a few bits, which float32 holds exactly.
  truth = [chance.randrange(21) / 4 for _ in range(count)]
  predicted = [one + chance.randrange(-8, 9) / 8 for one in truth]
  return {
      "truth": truth, "predicted": predicted, "scores": [],
      "metrics": {
          "pearson": float(scipy.stats.pearsonr(truth, predicted)[0]),
          "spearman": float(scipy.stats.spearmanr(truth, predicted)[0]),
          "mse": metrics.mean_squared_error(truth, predicted)}}


iob = ["O", "O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
expected = {
    "classes": [classes(2, 2, 40), classes(5, 4, 60)],
    "labels": [labels(4, 30)],
    "tags": [tags(iob, 30, 0.8), tags(iob + ["B-MISC"], 30, 0.5)],
    "values": [values(30)],
}
(Path(__file__).parent / "metrics.expected").write_text(json.dumps(expected) + "\n")
