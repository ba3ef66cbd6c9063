internal import CClozeSupport
internal import Glibc

/// The system's text for an error number.
package func systemError(_ number: Int32) -> String {
  strerror(number).map { String(cString: $0) } ?? "error \(number)"
}

extension ClozeError {
  /// A system call on a file failed: `.notFound` or `.io`, with the subject and the system's text.
  ///
  /// - Parameters:
  ///   - subject: the path, or what was tried: "cannot write to a.npy".
  ///   - code: the value of `errno`, right after the call.
  package static func system(_ subject: String, _ code: Int32 = errno) -> ClozeError {
    ClozeError(code == ENOENT || code == ENOTDIR ? .notFound : .io, "\(subject): \(systemError(code))")
  }
}

/// The value of an environment variable; nil where it is not set.
package func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

/// CPUs that the process may use, by affinity mask, cgroup quota and OMP_NUM_THREADS; at least 1.
public func defaultThreads() -> Int { Int(cloze_available_processors()) }
