package import ClozeIO

/// A batch of token ids, ragged: its sequences end to end. B sequences, T tokens of all of them.
package struct RaggedBatch {
  /// [T]
  package var ids: UnsafeBufferPointer<Int32>
  /// [T]; nil: all 0
  package var typeIDs: UnsafeBufferPointer<Int32>?
  /// [B + 1] 0, then where each sequence ends
  package var offsets: UnsafeBufferPointer<Int>
  /// Whether ids, types and lengths are known to be in range, and need no check.
  var isValid = false

  package var sequences: Int { offsets.count - 1 }
  package var tokens: Int { ids.count }

  package init(ids: UnsafeBufferPointer<Int32>, typeIDs: UnsafeBufferPointer<Int32>?, offsets: UnsafeBufferPointer<Int>)
  {
    self.ids = ids
    self.typeIDs = typeIDs
    self.offsets = offsets
  }

  /// The end of the chunk that begins with sequence `first`: as many whole sequences as have at most
  /// `limit` tokens together, and at least one.
  func chunkEnd(from first: Int, limit: Int) -> Int {
    var last = first + 1
    while last < sequences, offsets[last + 1] - offsets[first] <= limit { last += 1 }
    return last
  }

  /// Throws where an id, type or offset is out of the model's range.
  func check(_ info: ModelInfo) throws(ClozeError) {
    if isValid { return }
    try Self.check(offsets: offsets, info)
    guard offsets[sequences] == ids.count else {
      throw ClozeError(.invalidArgument, "cu_seqlens ends at \(offsets[sequences]), there are \(ids.count) token ids")
    }
    let vocabulary = UInt32(clamping: info.vocabSize)
    for (i, id) in ids.enumerated() where UInt32(bitPattern: id) >= vocabulary {
      throw ClozeError(.invalidArgument, "input_ids[\(i)] = \(id), the vocabulary has \(info.vocabSize) entries")
    }
    guard let typeIDs else { return }
    guard typeIDs.count == ids.count else {
      throw ClozeError(.invalidArgument, "there are \(typeIDs.count) token_type_ids and \(ids.count) token ids")
    }
    let types = UInt32(clamping: info.typeVocabSize)
    for (i, type) in typeIDs.enumerated() where UInt32(bitPattern: type) >= types {
      throw ClozeError(
        .invalidArgument, "token_type_ids[\(i)] = \(type), the model has \(info.typeVocabSize) token types")
    }
  }

  /// Throws where offsets [B + 1] do not rise from 0 by lengths that the model accepts; otherwise the
  /// last is at most B times the longest.
  package static func check(offsets: UnsafeBufferPointer<Int>, _ info: ModelInfo) throws(ClozeError) {
    let longest = info.maxPositionEmbeddings
    guard offsets.count >= 2 else { throw ClozeError(.invalidArgument, "the batch is empty") }
    guard offsets[0] == 0 else { throw ClozeError(.invalidArgument, "cu_seqlens[0] = \(offsets[0]), expected 0") }
    for i in 1..<offsets.count {
      let (from, to) = (offsets[i - 1], offsets[i])
      guard to > from else {
        throw ClozeError(
          .invalidArgument,
          "cu_seqlens[\(i)] = \(to) does not exceed cu_seqlens[\(i - 1)] = \(from); " + "every sequence needs a token")
      }
      guard to - from <= longest else {
        throw ClozeError(.tooLong, "sequence \(i - 1) has \(to - from) tokens, the model takes \(longest)")
      }
    }
  }
}
