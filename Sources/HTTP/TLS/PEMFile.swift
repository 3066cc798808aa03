// Certificates and keys in PEM form (RFC 7468), and OpenSSL's queue of errors: the rest of the
// shell around OpenSSL's set-up.

import COpenSSL
import Glibc
import Platform

/// An X.509 certificate.
@safe final class Certificate {
  let pointer: OpaquePointer

  /// Takes over `pointer`.
  fileprivate init(owning pointer: OpaquePointer) { unsafe self.pointer = pointer }

  deinit { unsafe X509_free(pointer) }

  var validity: CertificateValidity {
    CertificateValidity(
      notBefore: unsafe Self.seconds(X509_get0_notBefore(pointer)),
      notAfter: unsafe Self.seconds(X509_get0_notAfter(pointer)))
  }

  /// Seconds since 1970; 0 for earlier times, and for what is none.
  private static func seconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int {
    var parts = unsafe tm()
    guard unsafe ASN1_TIME_to_tm(time, &parts) == 1 else { return 0 }
    return max(0, unsafe timegm(&parts))
  }
}

enum PEMFile {
  /// Files of certificates may hold bundles of public authorities, about 250 KB.
  private static let limit = 4 << 20

  /// All certificates of a file in their order, at least one.
  static func certificates(_ path: String) throws(TLSError) -> [Certificate] {
    let file = try MemoryFile(path, limit: limit)
    var certificates: [Certificate] = []
    while let next = unsafe PEM_read_bio_X509(file.bio, nil, nil, nil) {
      unsafe certificates.append(Certificate(owning: next))
    }
    // At the end of the file there is no further beginning; anything else is damage.
    let isWhole = OpenSSLErrors.lastReason == PEM_R_NO_START_LINE
    OpenSSLErrors.clear()
    guard isWhole, !certificates.isEmpty else { throw .noCertificate(path: path) }
    return certificates
  }

  /// The private key of a file, to be freed by the caller.
  static func key(_ path: String) throws(TLSError) -> OpaquePointer {
    let file = try MemoryFile(path, limit: limit)
    var isPasswordWanted: Int32 = 0
    let key = unsafe shim_read_unencrypted_key(file.bio, &isPasswordWanted)
    OpenSSLErrors.clear()
    guard let key = unsafe key else {
      throw isPasswordWanted == 1 ? .encryptedKey(path: path) : .noKey(path: path)
    }
    return unsafe key
  }
}

/// A file's bytes as OpenSSL reads them.
@safe private struct MemoryFile: ~Copyable {
  let bio: OpaquePointer

  init(_ path: String, limit: Int) throws(TLSError) {
    let bytes: [UInt8]
    do throws(PlatformError) {
      bytes = try FileReader.read(path, limit: limit)
    } catch {
      throw .unreadable(error)
    }
    guard let bio = unsafe BIO_new(BIO_s_mem()) else {
      throw .library(OpenSSLErrors.takeFirst())
    }
    unsafe self.bio = bio
    _ = unsafe BIO_write(bio, bytes, Int32(bytes.count))
  }

  deinit { unsafe BIO_free(bio) }
}

/// The errors that OpenSSL keeps for each thread.
enum OpenSSLErrors {
  /// Empties the queue: an old error would be taken for that of the next call.
  static func clear() { ERR_clear_error() }

  /// The reason of the latest error, 0 for none.
  static var lastReason: Int32 { Int32(truncatingIfNeeded: ERR_peek_last_error() & 0x7F_FFFF) }

  /// The first error in words; empties the queue.
  static func takeFirst() -> String {
    let code = ERR_get_error()
    ERR_clear_error()
    guard let reason = unsafe ERR_reason_error_string(code) else { return "error \(code)" }
    return unsafe String(cString: reason)
  }
}
