// Where recorded data lies.

/// Files and folders of `Tests/Fixtures`.
public enum Fixtures {
  /// The path of one of them, found from the place of this source.
  public static func path(_ name: String, source: String = #filePath) -> String {
    let folders = source.split(separator: "/").dropLast(2)
    return "/" + folders.joined(separator: "/") + "/Fixtures/" + name
  }
}
