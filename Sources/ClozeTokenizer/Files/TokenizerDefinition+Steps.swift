internal import ClozeIO

/// The normalizer and the pre_tokenizer of a tokenizer.json, each one step or a `Sequence` of steps that amounts to
/// BERT's own.
extension TokenizerDefinition {
  func readNormalizer(_ field: JSONField) throws(ClozeError) -> NormalizerOptions {
    let type = try field.required("type").string()
    switch type {
    case "BertNormalizer": return try NormalizerOptions(json: field)
    case "Lowercase":
      var options = NormalizerOptions.none
      options.lowercase = true
      return options
    // White space at the ends is in no word anyway.
    case "Strip": return .none
    case "Sequence":
      // Every switch acts on a scalar by itself, so that several steps do what their switches do together. Not so
      // `NFD` and `StripAccents`: the latter removes marks too that BERT's normalizer keeps.
      let steps = try field.required("normalizers").elements()
      if steps.count == 1 { return try readNormalizer(steps[0]) }
      var all = NormalizerOptions.none
      for step in steps {
        let kind = try step.required("type").string()
        guard ["BertNormalizer", "Lowercase", "Strip", "Sequence"].contains(kind) else {
          throw ClozeError(
            .unsupportedTokenizer,
            "\(field.path) is a Sequence of \(steps.count), only BertNormalizer is supported (\(step.path) is "
              + "a \(kind))")
        }
        let one = try readNormalizer(step)
        all.cleanText = all.cleanText || one.cleanText
        all.handleChineseChars = all.handleChineseChars || one.handleChineseChars
        all.stripAccents = all.stripAccents == true || (one.stripAccents ?? one.lowercase)
        all.lowercase = all.lowercase || one.lowercase
      }
      return all
    default: throw ClozeError(.unsupportedTokenizer, "\(field.path) is a \(type), only BertNormalizer is supported")
    }
  }

  /// Refuses a pre_tokenizer unless it removes white space and separates punctuation.
  func checkSplitter(_ field: JSONField) throws(ClozeError) {
    let parts = try splits(field)
    guard parts.isWhitespace, parts.isPunctuation else {
      let missing = parts.isWhitespace ? "separates no punctuation" : "does not split at white space"
      throw ClozeError(
        .unsupportedTokenizer, "\(field.path) \(missing), only BertPreTokenizer, or what amounts to it, is supported")
    }
  }

  /// Where a pre_tokenizer splits.
  private func splits(_ field: JSONField) throws(ClozeError) -> (isWhitespace: Bool, isPunctuation: Bool) {
    let type = try field.required("type").string()
    switch type {
    case "BertPreTokenizer": return (true, true)
    case "WhitespaceSplit": return (true, false)
    case "Punctuation" where try field.present("behavior")?.string() ?? "Isolated" == "Isolated": return (false, true)
    case "Sequence":
      var all = (isWhitespace: false, isPunctuation: false)
      for step in try field.required("pretokenizers").elements() {
        let one = try splits(step)
        all = (all.isWhitespace || one.isWhitespace, all.isPunctuation || one.isPunctuation)
      }
      return all
    default:
      throw ClozeError(.unsupportedTokenizer, "\(field.path) is a \(type), only BertPreTokenizer is supported")
    }
  }
}
