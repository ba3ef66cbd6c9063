internal import ClozeIO

/// Locates and opens the files of a model's external data.
///
/// A model may name files only inside its own folder (`ModelFolder`).
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

    let root = try ModelFolder(folder, namedBy: model)
    var files: [String: LazyFile] = [:]
    var total = 0
    for region in regions where files[region.location] == nil {
      guard let extent = extents[region.location] else { continue }
      total += extent.count
      guard total <= maximumBytes else {
        throw ClozeError(.externalData, "the model's external data has more than \(maximumBytes) bytes")
      }
      let place = "external data of tensor \"\(region.tensorName)\": "
      let path = try root.path(of: region.location, prefix: place)
      do throws(ClozeError) {
        files[region.location] = try LazyFile(path: path, range: extent, followLinks: false)
      } catch {
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
}
