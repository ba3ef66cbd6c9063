/// The version of the library, its header and the command line.
package let libraryVersion: StaticString = "0.1.0"
