internal import ClozeIO
internal import Glibc

/// Locates and opens the files of a model's external data.
///
/// A model is untrusted, so it may name files only inside its own folder: an absolute path, a `..`, or a link to
/// outside the folder is refused. If the model file is itself a link, files beside its target are allowed too.
struct ExternalData {
  /// A tensor's bytes in a file: offset ..< offset + count.
  struct Region {
    var tensorName: String
    var location: String
    var offset: UInt64
    var count: UInt64
  }

  /// The limit on all external data of a model, in bytes, far above any BERT; bounds what a hostile model causes
  /// to be read.
  static let maximumBytes = 1 << 36

  /// The place of each region, in order, and the file that owns it. A file is opened once, for the range from
  /// its first to its last byte in use.
  ///
  /// - Throws: `.externalData`, `.notFound`, `.io`, `.outOfMemory`.
  static func read(_ regions: [Region], folder: String?, model: String? = nil) throws(ClozeError) -> [(
    place: UnsafeRawBufferPointer, file: LazyFile
  )] {
    guard let first = regions.first else { return [] }
    guard let folder else {
      throw ClozeError(
        .externalData,
        "tensor \"\(first.tensorName)\" is in the file \"\(first.location)\" beside the model; a "
          + "model in memory needs the folder of that file")
    }
    var extents: [String: Range<Int>] = [:]
    for region in regions {
      let (end, overflow) = region.offset.addingReportingOverflow(region.count)
      guard !overflow, end <= UInt64(maximumBytes) else {
        throw ClozeError(
          .externalData,
          "tensor \"\(region.tensorName)\": offset \(region.offset) in \"\(region.location)\" is "
            + "beyond the supported size of external data")
      }
      let range = Int(region.offset)..<Int(end)
      if let known = extents[region.location] {
        extents[region.location] =
          Swift.min(known.lowerBound, range.lowerBound)..<Swift.max(known.upperBound, range.upperBound)
      } else {
        extents[region.location] = range
      }
    }

    let root = try realPath(folder.isEmpty ? "." : folder, named: folder)
    let store = model.flatMap { Self.store(of: $0) }
    var files: [String: LazyFile] = [:]
    var total = 0
    for region in regions where files[region.location] == nil {
      guard let extent = extents[region.location] else { continue }
      total += extent.count
      guard total <= maximumBytes else {
        throw ClozeError(.externalData, "the model's external data has more than \(maximumBytes) bytes")
      }
      let path = try locate(region, in: root, or: store)
      do throws(ClozeError) {
        files[region.location] = try LazyFile(path: path, range: extent, followLinks: false)
      } catch {
        let place = "external data of tensor \"\(region.tensorName)\": "
        guard error.status == .io || error.cause != nil else { throw error.prefixed(place) }
        throw ClozeError(.externalData, place + error.reason)
      }
    }

    var parts: [(place: UnsafeRawBufferPointer, file: LazyFile)] = []
    parts.reserveCapacity(regions.count)
    for region in regions {
      guard let file = files[region.location], let extent = extents[region.location] else { continue }
      let start = Int(region.offset) - extent.lowerBound
      parts.append((UnsafeRawBufferPointer(rebasing: file.place[start..<(start + Int(region.count))]), file))
    }
    return parts
  }

  /// The real path of a region's file, inside `root` or `store`, which are real paths.
  private static func locate(_ region: Region, in root: String, or store: String?) throws(ClozeError) -> String {
    let location = region.location
    func refuse(_ reason: String) -> ClozeError {
      ClozeError(.externalData, "external data of tensor \"\(region.tensorName)\": \"\(location)\" \(reason)")
    }
    if location.isEmpty { throw refuse("is not a file name") }
    if location.hasPrefix("/") { throw refuse("is an absolute path; it must stay in the model's folder") }
    if location.utf8.contains(0) { throw refuse("contains a zero byte") }
    // Files written on Windows separate folders by backslashes.
    for part in location.split(whereSeparator: { $0 == "/" || $0 == "\\" }) where part == ".." {
      throw refuse("contains \"..\"; it must stay in the model's folder")
    }
    let path = root == "/" ? "/" + location : root + "/" + location
    let real = try realPath(path, named: path, tensor: region.tensorName)
    guard real.hasPrefix(root == "/" ? "/" : root + "/") || parent(real) == store else {
      throw refuse("is a symbolic link to \(real), outside the model's folder; copy the file into the folder")
    }
    return real
  }

  /// The folder of the target of a model file that is a link; nil for other files. In the cache of the Hugging
  /// Face hub all files of a model are links into one folder of blobs.
  private static func store(of model: String) -> String? {
    var status = stat()
    guard lstat(model, &status) == 0, status.st_mode & S_IFMT == S_IFLNK, let real = try? realPath(model, named: model)
    else { return nil }
    return parent(real)
  }

  private static func realPath(_ path: String, named name: String, tensor: String? = nil) throws(ClozeError) -> String {
    guard let resolved = resolvedPath(path) else {
      throw .system((tensor.map { "external data of tensor \"\($0)\": " } ?? "") + name)
    }
    return resolved
  }
}
