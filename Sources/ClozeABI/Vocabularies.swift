public import CCloze
internal import ClozeIO
internal import ClozeTraining

// 2. Tokenizers: learning a vocabulary

@c @implementation public func cloze_vocabulary_train(
  _ files: UnsafePointer<UnsafePointer<CChar>?>?, _ count: Int, _ size: Int32, _ output: UnsafePointer<CChar>?,
  _ options: UnsafePointer<cloze_vocabulary_options>?, _ json: UnsafeMutablePointer<CChar>?, _ capacity: Int,
  _ jsonSize: UnsafeMutablePointer<Int>?
) -> cloze_status {
  call { () throws(ClozeError) in
    let source = try cloze_vocabulary_options.read(options)
    let folder = try String(cString: required(output, "output"))
    let files = try required(list(required(files, "files"), count, "file", atMost: 1 << 20), "files")
    var paths: [String] = []
    for path in files { paths.append(try String(cString: required(path, "files[\(paths.count)]"))) }
    let overwrites = try choice(source.overwrite, "overwrite") ?? false
    try WordPieceFiles.check(folder: folder, overwrite: overwrites, inputs: paths)
    let vocabulary = try VocabularyTrainer(options: VocabularyOptions(source, size: size)).train(files: paths)
    var writer = JSONWriter()
    writer.object { vocabulary.write(to: &$0) }
    try copy(writer.text, "json", json, capacity, jsonSize)
    try vocabulary.write(to: folder, overwrite: overwrites)
  }
}

extension VocabularyOptions {
  fileprivate init(_ options: cloze_vocabulary_options, size: Int32) throws(ClozeError) {
    self.init()
    self.size = Int(size)
    lowercase = try choice(options.lowercase, "lowercase") ?? lowercase
    stripAccents = try choice(options.strip_accents, "strip_accents")
    minFrequency = try positive(options.min_frequency, "min_frequency") ?? minFrequency
    limitAlphabet = try positive(options.limit_alphabet, "limit_alphabet") ?? limitAlphabet
    threads = try threadChoice(options.threads)
  }
}
