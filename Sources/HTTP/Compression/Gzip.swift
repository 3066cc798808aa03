// The shell around zlib: the gzip format (RFC 1952) to bytes and back, whole bodies at a time.
// zlib: https://www.zlib.net/manual.html.

import CZlib

enum Gzip {
  /// The bytes of all members, which follow one another with nothing between or behind them
  /// (RFC 1952, section 2.2); decoding stops where there are more than `limit`. Throws 400 for
  /// what is no gzip file, is damaged or ends early, 413 beyond the limit.
  static func decode(_ bytes: [UInt8], limit: Int) throws(RequestError) -> [UInt8] {
    let inflater = Inflater()
    var output: [UInt8] = []
    var position = 0
    var members = 1
    while true {
      let status = try inflater.step(bytes, from: &position, to: &output, limit: limit)
      switch status {
      case Z_OK: continue
      case Z_STREAM_END where position == bytes.count: return output
      case Z_STREAM_END:
        members += 1
        guard members <= HTTPLimits.gzipMembers else {
          throw .malformed("the body has more than \(HTTPLimits.gzipMembers) gzip members")
        }
        inflater.startMember()
      // Neither a byte read nor one written: there is nothing left to read.
      case Z_BUF_ERROR: throw .malformed("the gzip body ends early")
      default: throw .malformed("the body is not in gzip format, or damaged")
      }
    }
  }

  /// Fast rather than small: answers of numbers and words shrink to a third anyhow, and the
  /// processor has a model to compute.
  private static let level: Int32 = 1

  /// One member of at least one byte; nil where that takes too much memory.
  static func encode(_ bytes: [UInt8]) -> [UInt8]? {
    guard let count = UInt32(exactly: bytes.count) else { return nil }
    let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    defer { unsafe stream.deallocate() }
    unsafe stream.initialize(to: z_stream())
    guard unsafe shim_deflate_init_gzip(stream, level) == Z_OK else { return nil }
    defer { unsafe deflateEnd(stream) }
    // Enough for whatever comes out, so that one call does it all.
    guard let bound = UInt32(exactly: unsafe deflateBound(stream, UInt(count))) else { return nil }
    var isWhole = false
    let output = unsafe [UInt8](unsafeUninitializedCapacity: Int(bound)) { buffer, filled in
      unsafe bytes.withUnsafeBufferPointer { input in
        // zlib does not write to its input (zconf.h, z_const).
        unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
        unsafe stream.pointee.avail_in = count
        unsafe stream.pointee.next_out = buffer.baseAddress
        unsafe stream.pointee.avail_out = bound
        isWhole = unsafe deflate(stream, Z_FINISH) == Z_STREAM_END
      }
      filled = unsafe Int(bound - stream.pointee.avail_out)
    }
    return isWhole ? output : nil
  }
}

/// A z_stream that inflates, at an address that does not change, and a piece of output.
@safe private struct Inflater: ~Copyable {
  private static let pieceBytes = 64 << 10

  private let stream: UnsafeMutablePointer<z_stream>
  private let piece: UnsafeMutableBufferPointer<UInt8>

  init() {
    unsafe stream = .allocate(capacity: 1)
    unsafe piece = .allocate(capacity: Self.pieceBytes)
    unsafe stream.initialize(to: z_stream())
    guard unsafe shim_inflate_init_gzip(stream) == Z_OK else {
      preconditionFailure("no memory to inflate")
    }
  }

  deinit {
    unsafe inflateEnd(stream)
    unsafe stream.deallocate()
    unsafe piece.deallocate()
  }

  /// Decodes some of `bytes` from `position` on and returns zlib's status. Throws 413 when
  /// `output` would become longer than `limit`.
  borrowing func step(
    _ bytes: [UInt8], from position: inout Int, to output: inout [UInt8], limit: Int
  ) throws(RequestError) -> Int32 {
    let count = UInt32(clamping: bytes.count - position)
    unsafe stream.pointee.avail_in = count
    unsafe stream.pointee.next_out = piece.baseAddress
    unsafe stream.pointee.avail_out = UInt32(Self.pieceBytes)
    let status = unsafe bytes.withUnsafeBufferPointer { input in
      // zlib does not write to its input (zconf.h, z_const).
      unsafe stream.pointee.next_in = UnsafeMutablePointer(
        mutating: input.baseAddress.map { unsafe $0 + position })
      return unsafe inflate(stream, Z_NO_FLUSH)
    }
    position += unsafe Int(count - stream.pointee.avail_in)
    let produced = unsafe Self.pieceBytes - Int(stream.pointee.avail_out)
    guard produced <= limit - output.count else { throw .decodedBodyTooLarge(limit) }
    unsafe output.append(contentsOf: piece[..<produced])
    return status
  }

  /// Begins anew behind a member's end.
  borrowing func startMember() { unsafe inflateReset(stream) }
}

extension RequestError {
  fileprivate static func decodedBodyTooLarge(_ limit: Int) -> RequestError {
    RequestError(status: 413, message: "the decoded body is larger than \(limit) bytes")
  }
}
