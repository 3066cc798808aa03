// SHA-256 by OpenSSL, for what layers above keep and compare as hashes.

import COpenSSL

/// The hash of FIPS 180-4.
public enum SHA256 {
  /// The 32 bytes for a message.
  public static func digest(_ message: some Collection<UInt8>) -> [UInt8] {
    let bytes = Array(message)
    let size = Int(SHA256_DIGEST_LENGTH)
    return unsafe [UInt8](unsafeUninitializedCapacity: size) { digest, count in
      unsafe bytes.withUnsafeBufferPointer {
        _ = unsafe COpenSSL.SHA256($0.baseAddress, $0.count, digest.baseAddress)
      }
      count = size
    }
  }
}
