package import ClozeIO

/// A BERT as an ONNX file: operator set 17, IR version 8, Hugging Face's names of weights (matrices in the layout of
/// MatMul, [in, out]).
///
/// Inputs: `input_ids`, `attention_mask` and, with more than one token type, `token_type_ids`, all int64 [batch,
/// sequence]. Outputs: `last_hidden_state` and one per head.
package final class ONNXExport {
  package static let opset = 17
  package static let irVersion = 8
  package static let producer = "cloze"

  private let document: ONNXDocument

  /// - Parameters:
  ///   - heads: heads in addition to those of the graph.
  ///   - metadata: the file's `metadata_props`.
  ///   - version: the version of this library, the producer.
  package init(
    _ graph: BERTGraph, format: ONNXFormat, heads: [AddedHead] = [], metadata: [(key: String, value: String)] = [],
    version: String
  ) throws(ClozeError) {
    let document = try ONNXDocument(
      irVersion: Self.irVersion, opset: Self.opset, producer: Self.producer, version: version)
    self.document = document
    for (key, value) in metadata + heads.flatMap(ExportedHead.metadata) { document.metadata(key, value) }
    var writer = GraphWriter(document, graph, format)
    try writer.write(heads)
    try document.finish()
  }

  /// The size of the file, in bytes.
  package var size: Int { document.size }

  /// The next bytes of the file, valid until the next call; nil at its end.
  package func next() throws(ClozeError) -> UnsafeRawBufferPointer? { try document.next() }
}
