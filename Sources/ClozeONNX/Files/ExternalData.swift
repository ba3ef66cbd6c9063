internal import ClozeIO
internal import Glibc

/// Finds and reads the files in which a model keeps its tensors apart.
///
/// A model file comes from elsewhere, so it may name files only inside its own folder: an absolute
/// path, a `..`, or a link that leads out of the folder is refused, but for a link to a neighbour of
/// what the model file, itself a link, leads to.
struct ExternalData {
  /// A tensor's place in a file: bytes offset ..< offset + count.
  struct Region {
    var tensorName: String
    var location: String
    var offset: UInt64
    var count: UInt64
  }

  // More than this is no BERT; it bounds what a hostile model can make us read.
  static let maximumBytes = 1 << 36

  /// The bytes of each region, in order, and the buffers that own them: one for each file, holding
  /// what lies between its first and its last byte in use.
  static func read(
    _ regions: [Region], folder: String?, model: String? = nil
  ) throws(ClozeError) -> [(place: UnsafeRawBufferPointer, file: LazyFile)] {
    guard let first = regions.first else { return [] }
    guard let folder else {
      throw ClozeError(
        .externalData,
        "tensor \"\(first.tensorName)\" lies in the file \"\(first.location)\" beside the model; a "
          + "model from memory needs the folder of that file")
    }
    var extents: [String: Range<Int>] = [:]
    for region in regions {
      let (end, overflow) = region.offset.addingReportingOverflow(region.count)
      guard !overflow, end <= UInt64(maximumBytes) else {
        throw ClozeError(
          .externalData,
          "tensor \"\(region.tensorName)\": offset \(region.offset) of \"\(region.location)\" is "
            + "past the end of any file")
      }
      let range = Int(region.offset)..<Int(end)
      if let known = extents[region.location] {
        extents[region.location] =
          Swift.min(
            known.lowerBound, range.lowerBound)..<Swift.max(known.upperBound, range.upperBound)
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
        throw ClozeError(
          .externalData, "the model's external data has more than \(maximumBytes) bytes")
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
      guard let file = files[region.location], let extent = extents[region.location] else {
        continue
      }
      let start = Int(region.offset) - extent.lowerBound
      parts.append(
        (UnsafeRawBufferPointer(rebasing: file.place[start..<(start + Int(region.count))]), file))
    }
    return parts
  }

  /// The real path of a region's file, which lies inside `root` (a real path itself).
  private static func locate(
    _ region: Region, in root: String, or store: String?
  ) throws(ClozeError) -> String {
    let location = region.location
    func refuse(_ reason: String) -> ClozeError {
      ClozeError(
        .externalData,
        "external data of tensor \"\(region.tensorName)\": \"\(location)\" \(reason)")
    }
    if location.isEmpty { throw refuse("names no file") }
    if location.hasPrefix("/") {
      throw refuse("is an absolute path; it must stay in the model's folder")
    }
    if location.utf8.contains(0) { throw refuse("holds a zero byte") }
    // Backslashes separate folders on the system where many of these files were written.
    for part in location.split(whereSeparator: { $0 == "/" || $0 == "\\" }) where part == ".." {
      throw refuse("contains \"..\"; it must stay in the model's folder")
    }
    let path = root == "/" ? "/" + location : root + "/" + location
    let real = try realPath(path, named: path, tensor: region.tensorName)
    guard real.hasPrefix(root == "/" ? "/" : root + "/") || parent(real) == store else {
      throw refuse(
        "is a symbolic link to \(real), outside the model's folder; copy the file into the folder")
    }
    return real
  }

  /// Where a model file that is a link itself really lies: in the cache of the Hugging Face hub all
  /// files of a model are links to neighbours in one folder of blobs. nil for a model that is no
  /// link.
  private static func store(of model: String) -> String? {
    var status = stat()
    guard lstat(model, &status) == 0, status.st_mode & S_IFMT == S_IFLNK,
      let real = try? realPath(model, named: model)
    else { return nil }
    return parent(real)
  }

  private static func realPath(
    _ path: String, named name: String, tensor: String? = nil
  ) throws(ClozeError) -> String {
    guard let resolved = resolvedPath(path) else {
      throw .system((tensor.map { "external data of tensor \"\($0)\": " } ?? "") + name)
    }
    return resolved
  }
}
