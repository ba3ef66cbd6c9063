import ClozeIO
import Foundation
import Testing

@testable import ClozeCommand

/// What is left when the work can't be finished: a reason, and nothing half-written.
@Suite struct FailureTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func namesFileLineAndReason() throws {
    let files: [(name: String, content: [UInt8], options: [String], reason: String)] = [
      ("a.txt", Array("ok\nb".utf8) + [0xFF], [], "line 2: not UTF-8 at byte offset 1 of the line"),
      ("a.csv", Array("x,y\n1,2\n".utf8), ["--text", "z"], "line 1: no field \"z\" in the header: \"x\", \"y\""),
      ("a.tsv", Array("x\ty\n1\n".utf8), ["--text", "2"], "line 2: 1 field, field 2 was asked for"),
      (
        "a.jsonl", Array("{\"x\": \"1\"}\n{\"x\": }\n".utf8), ["--text", "x"], "line 2: a value was expected at byte 6"
      ),
    ]
    for file in files {
      let path = try folder.write(file.content, to: file.name)
      let output = folder.file("v.npy")
      let run = try CommandRun(["embed", "--input", path, "--output", output] + file.options)
      #expect(run.status == 1)
      #expect(run.output.isEmpty)
      // A header is no line to skip.
      let advice = file.name == "a.csv" ? "" : " (--skip-bad skips such lines)"
      #expect(run.errors == "cloze: \(path), \(file.reason)\(advice)\n")
    }
    #expect(folder.names == files.map(\.name).sorted())
  }

  @Test func skipsBadLines() throws {
    let files: [(name: String, content: [UInt8], options: [String], kept: [String], remark: String)] = [
      (
        "a.txt", [0xFF, 0x0A] + Array("one\n".utf8) + [0xC3, 0x0A] + Array("two\n".utf8) + [0xFE], [], ["one", "two"],
        "3 bad lines skipped; a.txt, line 1: not UTF-8 at byte offset 0 of the line"
      ),
      (
        "a.jsonl", Array("{\"x\": \"one\"}\n{\"x\": }\n{\"y\": \"a\"}\n\n[1\n{\"x\": 3}\n{\"x\": \"two\"}".utf8),
        ["--text", "x"], ["one", "two"], "5 bad lines skipped; a.jsonl, line 2: a value was expected at byte 6"
      ),
      (
        "a.json", Array("[{\"x\": \"one\"},\n{\"y\": \"a\"}, 3,\n{\"x\": \"two\"}]".utf8), ["--text", "x"],
        ["one", "two"],
        "2 bad lines skipped; a.json, line 2: no field \"x\""
      ),
      (
        "a.tsv", Array("a\tone\nb\n\nc\ttwo".utf8), ["--text", "2"], ["one", "two"],
        "2 bad lines skipped; a.tsv, line 2: 1 field, field 2 was asked for"
      ),
      // What is left of a quoted field is no record of its own.
      (
        "a.csv", Array("x,y\none,1\n\"b".utf8) + [0xFF] + Array("\nthree,3\nc\",4\n\"d\"e,5\ntwo,2".utf8),
        ["--text", "x"], ["one", "two"],
        "2 bad lines skipped; a.csv, line 3: not UTF-8 at byte offset 2 of the line"
      ),
    ]
    for file in files {
      let path = try folder.write(file.content, to: file.name)
      let options = ["--input", path, "--skip-bad"] + file.options
      let expected = try CommandRun(["tokenize", "--json"] + file.kept).lines
      let run = try CommandRun(["tokenize", "--json"] + options)
      #expect(run.status == 0)
      #expect(run.lines == expected, "\(run.errors)")
      let remark = file.remark.split(separator: file.name, maxSplits: 1).joined(separator: path)
      #expect(run.errors.hasSuffix("cloze: \(remark)\n"), "\(run.errors)")
      #expect(try CommandRun(["embed", "--threads", "1"] + options).lines.count == file.kept.count)
    }
    let pairs = try folder.write("one\ttwo\nthree\n", to: "pairs.txt")
    #expect(try CommandRun(["next-sentence", "--input", pairs, "--skip-bad"]).lines.count == 1)
    // Nothing but bad lines, and a good line that waits for no more.
    #expect(try CommandRun(shell: "printf '\\377\\n\\377' | \"$cloze\" embed --skip-bad").status == 0)
  }

  @Test func skipsNoFile() throws {
    let files: [(name: String, content: [UInt8], options: [String])] = [
      ("header.csv", Array("x,y\n1,2\n".utf8), ["--text", "z"]),
      ("header.tsv", [0xFF] + Array("\ty\n1\t2\n".utf8), ["--text", "y"]),
      ("open.csv", Array("x\n\"one\ntwo\nthree\n".utf8), ["--text", "x"]),
      ("broken.json", Array("[{\"x\": \"one\"}, ".utf8), ["--text", "x"]),
      ("returns.txt", Array("one\rtwo\r".utf8), []),
    ]
    for file in files {
      let path = try folder.write(file.content, to: file.name)
      let run = try CommandRun(["tokenize", "--input", path, "--skip-bad"] + file.options)
      #expect(run.status == 1, "\(file.name)")
      #expect(run.errors.hasPrefix("cloze: \(path)") && !run.errors.contains("--skip-bad"), "\(run.errors)")
    }
    #expect(try CommandRun(["tokenize", "--skip-bad", "a text"]).status == 64)
    #expect(try CommandRun(["tokenize", "--skip-bad", "--input", folder.file("none.txt")]).status == 1)
  }

  @Test func namesFilesThatAreNotThere() throws {
    for arguments in [
      ["embed", "--input", "/nonexistent/a.txt"], ["embed", "--model", "/nonexistent/a.onnx", "a"],
      ["embed", "--output", "/nonexistent/a.npy", "a"], ["tokenize", "--tokenizer", "/nonexistent/vocab.txt", "a"],
    ] {
      let run = try CommandRun(arguments)
      #expect(run.status == 1)
      #expect(run.output.isEmpty)
      #expect(run.errors.contains("/nonexistent/"))
      #expect(run.errors.lowercased().contains("no such file"), "\(run.errors)")
    }
  }

  @Test func saysThatADiskIsFull() throws {
    for command in [
      "embed a", "encode a", "tokenize a", "fill-mask 'a [MASK]'", "next-sentence a b", "inspect", "--help",
    ] {
      let run = try CommandRun(shell: "\"$cloze\" \(command) >/dev/full")
      #expect(run.status == 1)
      #expect(run.errors == "cloze: cannot write to standard output: No space left on device\n")
    }
    let device = try CommandRun(["embed", "--output", "/dev/full", "a"])
    #expect(device.status == 1)
    #expect(device.errors == "cloze: cannot write to /dev/full: No space left on device\n")
  }

  @Test func keepsTheOldFileWhenWritingFails() throws {
    let output = try folder.write("before", to: "v.npy")
    let texts = try folder.write(String(repeating: "a\n", count: 60), to: "texts.txt")
    // No file may grow beyond some kilobytes: less than the vectors take.
    let run = try CommandRun(shell: "ulimit -f 16; exec \"$cloze\" embed --input '\(texts)' --output '\(output)'")
    #expect(run.status == 1)
    #expect(!run.wasKilled)
    #expect(run.errors == "cloze: cannot write to \(output): File too large\n")
    #expect(folder.names == ["texts.txt", "v.npy"])
    #expect(try folder.bytes(of: "v.npy") == Array("before".utf8))
  }

  @Test func keepsStandardStreamsOutOfFiles() throws {
    let output = folder.file("v.npy")
    let run = try CommandRun(
      shell: "\"$cloze\" embed --dimensions 2 --max-tokens 3 'a b c' --output '\(output)' >&- 2>&-")
    #expect(run.status == 0)
    // Header and two numbers; not the note that a text was cut.
    #expect(try folder.bytes(of: "v.npy").count == 128 + 8)
    let closed = try CommandRun(shell: "\"$cloze\" tokenize a >&-")
    #expect(closed.status == 1)
    #expect(closed.errors == "cloze: cannot write to standard output: Bad file descriptor\n")
    let unread = try CommandRun(shell: "\"$cloze\" tokenize <&-")
    #expect(unread.status == 1)
    #expect(unread.errors == "cloze: cannot read standard input: Bad file descriptor\n")
  }

  @Test func endsQuietlyWhenNobodyReads() throws {
    // More than a pipe holds, of either.
    let many = try folder.write(String(repeating: "a\n", count: 3000), to: "many.txt")
    let few = try folder.write(String(repeating: "a\n", count: 100), to: "few.txt")
    for command in ["tokenize --input '\(many)'", "embed --max-tokens 2 --input '\(few)'"] {
      let run = try CommandRun(shell: "\"$cloze\" \(command) | head -1")
      #expect(run.lines.count == 1)
      #expect(run.errors.isEmpty)
      // The same where the signal is ignored, as some programs leave it.
      let ignoring = try CommandRun(shell: "trap '' PIPE; \"$cloze\" \(command) | head -1")
      #expect(ignoring.lines.count == 1)
      #expect(ignoring.errors.isEmpty)
    }
  }

  /// Ctrl-C and the like while texts still come in.
  @Test(arguments: [SIGINT, SIGTERM, SIGHUP]) func leavesNothingWhenInterrupted(_ number: Int32) throws {
    _ = try folder.write("before", to: "v.npy")
    let input = try PipeEnds()
    let command = try Subprocess(
      CommandRun.executable, ["embed", "--output", folder.file("v.npy")], input: input.reading, output: 1, errors: 2)
    input.write(String(repeating: "a\n", count: 30))
    // Until vectors are being written.
    func hasBegun() -> Bool {
      folder.names.contains { name in name.hasPrefix(".cloze-") && ((try? folder.bytes(of: name))?.count ?? 0) > 128 }
    }
    let begin = Clock.seconds()
    while !hasBegun(), Clock.seconds() - begin < 60 { usleep(10_000) }
    #expect(hasBegun())
    command.signal(number)
    let signalled = Clock.seconds()
    #expect(command.wait() == .killed(number))
    #expect(Clock.seconds() - signalled < 5)
    #expect(folder.names == ["v.npy"])
    #expect(try folder.bytes(of: "v.npy") == Array("before".utf8))
    close(input.writing)
    close(input.reading)
  }

  @Test func staysAliveWhereSignalsAreIgnored() throws {
    // As under nohup: the shell ignores the signal, and the command inherits that.
    let output = folder.file("v.npy")
    let run = try CommandRun(
      shell: """
        trap '' HUP; mkfifo '\(folder.path)/in'
        "$cloze" embed --input '\(folder.path)/in' --output '\(output)' & 
        exec 3>'\(folder.path)/in'; sleep 1; kill -HUP $!; echo text >&3; exec 3>&-; wait $!
        """)
    #expect(run.status == 0, "\(run.errors)")
    #expect(try folder.bytes(of: "v.npy").count == 128 + 256 * 4)
  }

  /// A program that writes a line and waits for the answer gets it before it writes the next.
  @Test func answersLineByLine() throws {
    let (input, output) = (try PipeEnds(), try PipeEnds())
    let command = try Subprocess(
      CommandRun.executable, ["embed", "--dimensions", "2"], input: input.reading, output: output.writing, errors: 2)
    close(output.writing)
    for text in ["one", "two", "three"] {
      input.write("\(text)\n")
      #expect(output.readLine().split(separator: " ").count == 2)
    }
    close(input.writing)
    #expect(command.wait() == .exited(0))
    close(input.reading)
    close(output.reading)
  }
}
