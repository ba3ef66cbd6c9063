/// The version of the library and the command line; a test compares it with `cloze.h`.
package let libraryVersion: StaticString = "0.1.0"
