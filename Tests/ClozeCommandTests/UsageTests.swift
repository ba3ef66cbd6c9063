import Testing

/// What the command says and does when it is used in a way that can't work.
@Suite struct UsageTests {
  @Test(arguments: [
    ["bogus"], ["embed", "--bogus", "a"], ["embed", "--threads", "0", "a"], ["embed", "--threads", "10000", "a"],
    ["embed", "--threads", "many", "a"], ["embed", "--precision", "int4", "a"], ["embed", "--isa", "mmx", "a"],
    ["embed", "--pooling", "median", "a"], ["embed", "--dimensions", "0", "a"],
    ["embed", "--dimensions", "100000", "a"], ["embed", "--max-tokens", "0", "a"],
    ["embed", "--max-tokens", "-5", "a"], ["embed", "--truncation", "middle", "a"],
    ["embed", "--dtype", "float16", "a"], ["embed", "--dtype", "int8", "--output", "/dev/null", "a"],
    ["embed", "--json", "--output", "/dev/null", "a"], ["embed", "--output", "", "a"],
    ["embed", "--input", "x.txt", "a"], ["embed", "--text", "1", "a"], ["embed", "--pair-arguments", "a", "b", "c"],
    ["embed", "--input", "data.csv"], ["embed", "--input", "data.JSONL"],
    ["embed", "--input", "data.tsv", "--pair", "b"], ["embed", "--input", "data.csv", "--text", "0"],
    ["embed", "--input", "data.csv", "--text", ""], ["embed", "--input", "data.csv", "--text", "1", "--separator", ""],
    ["embed", "--input", "data.csv", "--text", "1", "--separator", "\""],
    ["embed", "--input", "data.jsonl", "--text", "1", "--separator", ","],
    ["embed", "--input", "data.jsonl", "--text", "a", "--no-quotes"], ["embed", "--input", "texts.txt", "--header"],
    ["embed", "--format", "lines", "--text", "1"], ["embed", "--format", "xml"], ["encode", "--layer", "99", "a"],
    ["encode", "--layer", "-9", "a"], ["fill-mask", "--top-k", "0", "a [MASK]"],
    ["fill-mask", "--targets", " , ", "a [MASK]"], ["next-sentence", "a"], ["next-sentence", "a", "b", "c"],
    ["next-sentence", "--input", "pairs.csv", "--text", "1"], ["next-sentence", "--format", "lines"],
    ["inspect", "a.onnx", "--model", "b.onnx"], ["convert"], ["convert", "a.onnx", "b.cloze", "--model", "c.onnx"],
    ["convert", "--precision", "int4", "b.cloze"], ["tokenize", "--max-tokens", "0", "a"], ["rerank"],
    ["rerank", "--top-k", "0", "a", "b"], ["rerank", "--pair", "2", "--input", "a.tsv", "--text", "1", "q"],
    ["bench", "--seconds", "0"], ["embed", "--output", "/nowhere.csv", "a"], ["export", "/nowhere.cloze"],
  ]) func wrongUsage(_ arguments: [String]) throws {
    let run = try CommandRun(arguments)
    #expect(run.status == 64)
    #expect(!run.wasKilled)
    #expect(run.output.isEmpty)
    #expect(run.errors.hasPrefix("cloze: "))
    #expect(run.errors.split(separator: "\n", omittingEmptySubsequences: false).count == 2)
  }

  @Test func namesTheNearestCommand() throws {
    #expect(try CommandRun(["emebd", "a"]).errors.hasSuffix("; did you mean embed?\n"))
    #expect(try !CommandRun(["bogus"]).errors.contains("did you mean"))
  }

  /// A file name that promises another format than what is written.
  @Test func refusesOtherSuffixes() throws {
    let folder = try TemporaryFolder()
    for (arguments, suffix) in [
      (["embed", "a", "--output", folder.file("v.csv")], ".npy"), (["export", folder.file("m.cloze")], ".onnx"),
      (["convert", folder.file("m.safetensors")], ".cloze"),
    ] {
      let run = try CommandRun(arguments)
      #expect(run.status == 64 && run.errors.hasSuffix("name the file \(suffix)\n"), "\(run.errors)")
    }
    #expect(folder.names.isEmpty)
  }

  @Test func saysWhatItCanDoWhenNothingIsAsked() throws {
    let run = try CommandRun([])
    #expect(run.status == 64)
    #expect(run.output.isEmpty)
    #expect(run.errors.contains("USAGE: cloze <subcommand>"))
  }

  @Test(arguments: [
    [], ["embed"], ["encode"], ["fill-mask"], ["next-sentence"], ["tokenize"], ["inspect"], ["convert"], ["predict"],
    ["rerank"], ["bench"],
  ]) func helps(_ command: [String]) throws {
    let run = try CommandRun(command + ["--help"])
    #expect(run.status == 0)
    #expect(run.errors.isEmpty)
    #expect(run.text.contains("USAGE: cloze \(command.first ?? "")"))
    #expect(run.text.split(separator: "\n").allSatisfy { $0.count <= 100 })
  }

  @Test func takesTextsThatLookLikeOptions() throws {
    let refused = try CommandRun(["tokenize", "-1"])
    #expect(refused.status == 64)
    #expect(refused.errors == "cloze: Unknown option '-1' (texts that begin with - go behind --)\n")
    let run = try CommandRun(["tokenize", "--json", "--", "-1", "--json"])
    #expect(run.status == 0)
    #expect(try run.objects().compactMap { $0["text"] as? String } == ["-1", "--json"])
  }

  @Test func refusesArgumentsThatAreNotUTF8() throws {
    let run = try CommandRun(shell: "\"$cloze\" embed good \"$(printf 'ab\\377')\"")
    #expect(run.status == 64)
    #expect(run.errors == "cloze: argument 3 is not UTF-8 at byte offset 2\n")
  }
}
