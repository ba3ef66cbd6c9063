internal import CClozeKernels
import Cloze
import ClozeIO
import Glibc
import Synchronization

/// Multiplications and additions a second that matrix products reach on this CPU where all operands are in the cache,
/// by all threads together: the limit of a run, which also reads memory, rounds and normalizes.
///
/// The kernels are timed that a model with this instruction set runs, rather than reckoned from instructions per cycle
/// and a clock: the clock falls with the load and with wide instructions, threads may share a core, and a virtual
/// machine tells neither. All threads compute at once, as in a run. What other programs take does not count: times are
/// CPU times, of many short bundles of products, and their lower quartile is taken, as a busy machine slows some. Their
/// minimum would be of a thread that has the core to itself.
///
/// - Parameter threads: more of them than CPUs are taken for as many.
/// - Parameter seconds: how long to measure; up to five milliseconds longer where kernels are slow.
/// - Throws: `.outOfMemory`.
func productRate(_ kernels: Kernels, _ precision: Precision, threads: Int, seconds: Double) throws(ClozeError)
  -> Double
{
  let threads = max(1, min(threads, sysconf(Int32(_SC_NPROCESSORS_ONLN))))
  // Rows and columns fill the tiles of every instruction set, and the sum's loop is long beside what follows it. The
  // operands, 24 and 32 KB in int8 and 96 and 128 KB in float32, fit a second-level cache, a tile's part of them a
  // first-level one.
  let (m, n, k) = (48, 64, 512)
  let matrix = kernels.matrix(precision)
  let panels = try AlignedMemory(bytes: matrix.packed_rows_size(m, k))
  let columns = try AlignedMemory(bytes: n * k * Int(matrix.column_element_size))
  let results = try AlignedMemory(bytes: threads * m * n * 4)
  let scales = try AlignedMemory(bytes: 2 * (m + n) * 4)
  let sums = (scales.base + (m + n) * 4).assumingMemoryBound(to: Int32.self)

  // AVX2 splits activations, and its speed depends on their values. Of these, a wave whose rows have a larger value in
  // either direction, as states of a trained model have, none is cut and no products are added in int16: that is the
  // speed of the plain instructions.
  let x = (0..<m * k).map { i in i % k == 0 ? 2.2 : i % k == 1 ? -2.2 : Float(i % 37) / 18 - 1 }
  let w = (0..<n * k).map { i in Float(i % 41) / 20 - 1 }
  let a = cloze_packed_rows(panels: panels.base, scale: scales.floats(), zero: sums)
  let b = cloze_packed_columns(panels: columns.base, scale: scales.floats(at: m * 4), sum: sums + m)
  matrix.pack_rows(x, k, nil, m, k, a)
  if precision == .int8 {
    var q = [Int8](repeating: 0, count: n * k)
    _ = kernels.rows.quantize_weights(w, k, nil, n, k, &q, k, scales.floats(at: m * 4))
    matrix.pack_columns(q, k, n, k, columns.base, sums + m)
  } else {
    matrix.pack_columns(w, k, n, k, columns.base, nil)
  }

  defer { withExtendedLifetime((panels, columns, scales)) {} }

  let team = try Team(threads: threads)
  let epilogue = cloze_epilogue(bias: nil, activation: Int32(CLOZE_ACTIVATION_NONE.rawValue))
  /// The CPU times of `bundles` of `products`, which threads take as they finish the one before.
  func times(_ bundles: Int, of products: Int) throws(ClozeError) -> [Double] {
    let times = Mutex<[Double]>([])
    try team.forEach(bundles) { _, thread in
      let start = processorSeconds()
      for _ in 0..<products { matrix.multiply(m, n, k, a, b, epilogue, results.floats(at: thread * m * n * 4), n) }
      let time = max(processorSeconds() - start, 1e-9)
      times.withLock { $0.append(time) }
    }
    return times.withLock { $0 }.sorted()
  }

  let deadline = Clock.seconds() + seconds
  // Starts the threads, and fills their caches.
  let one = try times(threads, of: 1)[0]
  // Bundles are long beside asking for one and for the time, and short beside what a busy system gives at once.
  let products = max(1, Int(100e-6 / one))
  let bundles = threads * max(1, Int(seconds / 8 / (Double(products) * one)))
  var all: [Double] = []
  repeat { all += try times(bundles, of: products) } while Clock.seconds() < deadline
  all.sort()
  return 2 * Double(m * n * k) * Double(products) * Double(threads) / all[all.count / 4]
}

/// The time that the calling thread has computed: it stands still while another has the CPU.
private func processorSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}
