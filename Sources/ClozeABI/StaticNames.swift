internal import Glibc

/// The names of an enum's cases as C strings, which live as long as the process.
///
/// Made at first use from what names the cases in Swift, so that there is one list of them.
struct StaticNames<Case: CaseIterable & Hashable>: @unchecked Sendable {
  private let pointers: [Case: UnsafeMutablePointer<CChar>]

  init(_ name: (Case) -> String) {
    var pointers: [Case: UnsafeMutablePointer<CChar>] = [:]
    for one in Case.allCases { pointers[one] = strdup(name(one)) }
    self.pointers = pointers
  }

  /// nil where there was no memory for it.
  subscript(_ one: Case) -> UnsafePointer<CChar>? { pointers[one].map { UnsafePointer($0) } }
}
