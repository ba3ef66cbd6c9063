package import ClozeIO

/// An evaluation as JSON, of the command line and in C.
extension Evaluation {
  /// All of it as one object.
  public var json: String {
    var writer = JSONWriter()
    writer.object { write(to: &$0) }
    return writer.text
  }

  /// Its members. The confusion matrix of more than 1,000 labels is left out.
  package func write(to object: inout JSONWriter) {
    object.value("task", task.rawValue)
    writeMetrics(to: &object)
    object.value("examples", examples)
    object.value("skipped", skipped.count)
    object.value("truncated", truncated)
    object.array("classes") { for score in classes { $0.object { write(score, "label", to: &$0) } } }
    object.array("entities") { for score in entities { $0.object { write(score, "type", to: &$0) } } }
    object.array("labels", labels)
    object.array("confusion") { array in
      if labels.count <= 1000 { for row in confusion { array.array(nil, row) } }
    }
    object.array("most_wrong") { array in
      for mistake in mistakes {
        array.object {
          $0.value("example", mistake.example)
          $0.value("place", mistake.place.isEmpty ? nil : mistake.place)
          $0.value("text", mistake.text)
          $0.value("truth", mistake.truth)
          $0.value("predicted", mistake.predicted)
          $0.value("loss", mistake.loss)
        }
      }
    }
    object.array("remarks", remarks.map(\.printable))
  }

  /// Metrics and baseline.
  package func writeMetrics(to object: inout JSONWriter) {
    object.object("metrics") { for (name, value) in metrics.values { $0.value(name, value) } }
    object.value("metric", metric)
    object.value("baseline", baseline?.value ?? .nan)
    object.value("baseline_is", baseline?.description)
  }

  private func write(_ score: ClassScore, _ name: String, to object: inout JSONWriter) {
    object.value(name, score.name)
    object.value("precision", score.precision)
    object.value("recall", score.recall)
    object.value("f1", score.f1)
    object.value("support", score.support)
  }
}
