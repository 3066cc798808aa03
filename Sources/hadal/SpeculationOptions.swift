// The use of the MTP module: an option of its own, because `bench` takes several values of it.

import ArgumentParser
import Serving

struct SpeculationOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Tokens that the MTP module drafts per step: as many as pay, none, or always so many.",
      valueName: "auto|off|1-\(Speculation.maxDepth)"))
  var mtp = Speculation.auto
}

extension Speculation: ExpressibleByArgument {
  public init?(argument: String) {
    switch argument {
    case "auto": self = .auto
    case "off": self = .off
    default:
      guard let depth = Int(argument), 1...Self.maxDepth ~= depth else { return nil }
      self = .fixed(depth)
    }
  }

  /// As the argument that gives it.
  public var defaultValueDescription: String {
    switch self {
    case .auto: "auto"
    case .off: "off"
    case .fixed(let depth): String(depth)
    }
  }
}
