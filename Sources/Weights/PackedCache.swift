// Packed weights in a file of their own beside the model, so that the next start reads instead of
// packing. The file says which checkpoint and layout it is for, and every piece of it has a
// checksum (XXH3, github.com/Cyan4973/xxHash): what does not match is packed again.
//
// Little-endian: the magic, version, bytes of the header, 16 bytes of fingerprint, bytes of the
// weights, the checksum of each piece, and the checksum of all this; then, from the next multiple
// of 4,096, the weights.

import CXXHash
import Compute
import Platform
import Synchronization

/// Why a cache of packed weights cannot be used.
public enum PackedCacheError: Error, Equatable, Sendable, CustomStringConvertible {
  case platform(PlatformError)
  /// Written by another version, or no such file at all.
  case otherFormat(String)
  /// Of a checkpoint that has changed since, or of other weights.
  case outdated(String)
  /// A checksum does not hold.
  case damaged(String)

  public var description: String {
    switch self {
    case .platform(let error): error.description
    case .otherFormat(let path): "\(path): not a cache of packed weights of this version"
    case .outdated(let path): "\(path): of other weights than the model's"
    case .damaged(let path): "\(path): damaged"
    }
  }
}

/// The packed weights of one checkpoint in a file.
public struct PackedCache: Sendable {
  /// Where the file is, or would be.
  public let path: String
  private let header: PackedCacheHeader

  /// - Parameter packer: has placed all matrices.
  public init(path: String, checkpoint: Checkpoint, packer: WeightPacker) {
    self.path = path
    header = PackedCacheHeader(
      description: checkpoint.identity + "\n\n" + packer.layout, byteCount: packer.byteCount)
  }

  /// Whether there is a file.
  public var exists: Bool { FileReader.exists(path) }

  /// The weights where they lie in the file: nothing is read before it is needed, and processes
  /// share what is. The checksums of the weights are not looked at.
  public func map() throws(PackedCacheError) -> LargeMemory {
    let file: MappedFile
    do { file = try MappedFile(path: path) } catch { throw .platform(error) }
    let head = file.copy(0..<min(header.size, file.count))
    _ = try header.pieceSums(of: head, fileSize: file.count, path: path)
    return LargeMemory(file, from: header.dataStart)
  }

  /// Fills `memory` from the file.
  public func load(
    into memory: LargeMemory, on pool: WorkerPool, progress: (Int) -> Void
  ) throws(PackedCacheError) {
    let file: PositionedFile
    let head: [UInt8]
    do {
      file = try PositionedFile(path: path)
      head = try file.prefix(min(header.size, file.size))
    } catch {
      throw .platform(error)
    }
    let sums = try header.pieceSums(of: head, fileSize: file.size, path: path)
    let work = LoadingWork(file: file, header: header, memory: memory, sums: sums)
    try each(header.pieceCount, progress: progress) { pieces throws(PackedCacheError) in
      pool.run(tasks: pieces.count, Pieces(first: pieces.lowerBound, work: work))
      if let failure = work.failure.withLock({ $0 }) { throw .platform(failure) }
      if work.damage.load(ordering: .relaxed) { throw .damaged(path) }
    }
  }

  /// Writes the file, whole or not at all.
  public func save(
    _ memory: LargeMemory, on pool: WorkerPool, progress: (Int) -> Void
  ) throws(PackedCacheError) {
    let sums = SumWork(header: header, memory: memory)
    pool.run(tasks: header.pieceCount, Pieces(first: 0, work: sums))
    let head = header.bytes(pieceSums: sums.sums.withLock { $0 })
    do {
      let file = try NewFile(path: path, size: header.dataStart + header.byteCount)
      unsafe try file.append(head.span.bytes)
      try each(header.pieceCount, progress: progress) { pieces throws(PlatformError) in
        for piece in pieces {
          let bytes = unsafe UnsafeRawBufferPointer(rebasing: memory.bytes[header.range(piece)])
          unsafe try file.append(RawSpan(_unsafeBytes: bytes))
        }
      }
      try file.commit()
    } catch {
      throw .platform(error)
    }
  }

  /// Some pieces at a time, with a report after each.
  private func each<Failure: Error>(
    _ count: Int, progress: (Int) -> Void, _ body: (Range<Int>) throws(Failure) -> Void
  ) throws(Failure) {
    for first in stride(from: 0, to: count, by: Self.piecesPerReport) {
      let pieces = first..<min(first + Self.piecesPerReport, count)
      try body(pieces)
      progress(header.range(pieces.upperBound - 1).upperBound)
    }
  }

  private static let piecesPerReport = 16
}

/// Work on single pieces, of which a run takes some.
private protocol PieceWork: Sendable {
  func perform(piece: Int)
}

private struct Pieces<Work: PieceWork>: ParallelWork {
  let first: Int
  let work: Work

  func perform(task: Int) { work.perform(piece: first + task) }
}

@safe
private final class LoadingWork: PieceWork, @unchecked Sendable {
  // Unchecked: each piece of the memory is written by one task, and `load` returns after all.
  private let file: PositionedFile
  private let header: PackedCacheHeader
  private let memory: UnsafeMutableRawBufferPointer
  private let sums: [UInt64]
  let failure = Mutex<PlatformError?>(nil)
  let damage = Atomic<Bool>(false)

  init(file: PositionedFile, header: PackedCacheHeader, memory: LargeMemory, sums: [UInt64]) {
    guard let bytes = unsafe memory.writableBytes else { preconditionFailure("a file") }
    self.file = file
    self.header = header
    unsafe self.memory = unsafe bytes
    self.sums = sums
  }

  func perform(piece: Int) {
    let range = header.range(piece)
    let bytes = unsafe UnsafeMutableRawBufferPointer(rebasing: memory[range])
    do {
      try unsafe file.read(into: bytes, at: header.dataStart + range.lowerBound)
    } catch {
      failure.withLock { $0 = error }
      return
    }
    let sum = unsafe XXH3_64bits(bytes.baseAddress, bytes.count)
    if sum != sums[piece] { damage.store(true, ordering: .relaxed) }
  }
}

private final class SumWork: PieceWork {
  private let header: PackedCacheHeader
  private let memory: LargeMemory
  let sums: Mutex<[UInt64]>

  init(header: PackedCacheHeader, memory: LargeMemory) {
    self.header = header
    self.memory = memory
    sums = Mutex([UInt64](repeating: 0, count: header.pieceCount))
  }

  func perform(piece: Int) {
    let bytes = unsafe UnsafeRawBufferPointer(rebasing: memory.bytes[header.range(piece)])
    let sum = unsafe XXH3_64bits(bytes.baseAddress, bytes.count)
    sums.withLock { $0[piece] = sum }
  }
}
