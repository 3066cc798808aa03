// What the process was given in its environment.

import Glibc

/// A variable of the environment.
public enum EnvironmentVariable {
  /// Nil when it is not set. To be read before other threads run that could change it.
  public static func value(_ name: String) -> String? {
    guard let text = unsafe getenv(name) else { return nil }
    return unsafe String(cString: text)
  }
}
