// `hadal inspect`: what a model is and what it would take.

import ArgumentParser
import DeepSeek
import JSON
import Logging
import Platform
import Serving
import Weights

struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Prints a model's architecture, its tensors by format, and the memory plan.")

  @OptionGroup var options: ModelOptions
  @OptionGroup var speculation: SpeculationOptions

  @Option(
    help: ArgumentHelp(
      "Also run a text through the model and print the load of its experts.",
      valueName: "textfile"))
  var profile: String?

  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    let planned = try PlannedModel(options, nil, mtp: speculation.mtp)
    let log = Logger(label: "hadal", quiet: false)
    let report = ModelReport(
      planned, profile: try profile.map { try ModelProfile(planned, textFile: $0, log: log) })
    try StandardOutput.writeLine(json ? report.json.text : report.text)
  }
}

/// Sections of name and value, printed as text or as JSON.
struct ModelReport {
  private let sections: [(title: String, entries: [(String, JSONValue)])]
  private let profile: ModelProfile?

  init(_ planned: PlannedModel, profile: ModelProfile?) {
    self.profile = profile
    sections = [
      ("model", Self.model(planned)),
      ("architecture", Self.architecture(planned.configuration)),
      ("tensors", Self.tensors(planned.checkpoint)),
      ("memory", Self.memory(planned)),
    ]
  }

  /// Scales of blocks are no parameters.
  private static func model(_ planned: PlannedModel) -> [(String, JSONValue)] {
    let checkpoint = planned.checkpoint
    return [
      ("name", .string(planned.directory.name)), ("path", .string(planned.directory.path)),
      ("parameters", .integer(checkpoint.parameterCount)),
      ("file_bytes", .integer(checkpoint.byteCount)),
    ]
  }

  private static func architecture(_ c: ModelConfiguration) -> [(String, JSONValue)] {
    let groups = c.router.groups
    return [
      ("vocabulary", .integer(c.vocabularySize)), ("hidden", .integer(c.hiddenSize)),
      ("layers", .integer(c.layerCount)), ("dense_layers", .integer(c.denseLayerCount)),
      ("mtp_layers", .integer(c.mtpLayerCount)), ("heads", .integer(c.headCount)),
      ("query_rank", c.queryRank.map { .integer($0) } ?? .null),
      ("latent_rank", .integer(c.latentRank)), ("nope_width", .integer(c.nopeWidth)),
      ("rope_width", .integer(c.ropeWidth)), ("value_width", .integer(c.valueWidth)),
      ("routed_experts", .integer(c.routedExpertCount)),
      ("shared_experts", .integer(c.sharedExpertCount)),
      ("experts_per_token", .integer(c.expertsPerToken)),
      ("expert_groups", .integer(groups?.count ?? 1)),
      ("kept_groups", .integer(groups?.kept ?? 1)),
      ("router", .string("\(c.router.scoring)")),
      ("rope", .string(c.rope.yarn == nil ? "plain" : "yarn")),
      ("max_positions", .integer(c.maxPositions)),
    ]
  }

  /// Bytes per stored format, in order of first appearance.
  private static func tensors(_ checkpoint: Checkpoint) -> [(String, JSONValue)] {
    var formats: [String] = []
    var totals: [String: (count: Int, bytes: Int)] = [:]
    for tensor in checkpoint.tensors {
      if totals[tensor.formatName] == nil { formats.append(tensor.formatName) }
      totals[tensor.formatName, default: (0, 0)].count += 1
      totals[tensor.formatName, default: (0, 0)].bytes += tensor.byteCount
    }
    return formats.map { format in
      let total = totals[format] ?? (0, 0)
      return (format, ["tensors": .integer(total.count), "bytes": .integer(total.bytes)])
    }
  }

  private static func memory(_ planned: PlannedModel) -> [(String, JSONValue)] {
    let memory = planned.memory
    let c = planned.configuration
    let layerBytes = planned.latents.bytesPerToken / planned.latents.layerCount
    return [
      ("weights_bytes", .integer(memory.weights)), ("latents_bytes", .integer(memory.latents)),
      ("scratch_bytes", .integer(memory.scratch)), ("total_bytes", .integer(memory.total)),
      ("available_bytes", .integer(planned.budget.available)),
      ("latent_bytes_per_token", .integer(c.layerCount * layerBytes)),
      ("mtp_latent_bytes_per_token", .integer(c.mtpLayerCount * layerBytes)),
      ("bytes_per_page", .integer(planned.latents.bytesPerPage)),
      ("kv_tokens", .integer(planned.limits.pageCount * LatentStorage.tokensPerPage)),
      ("context_length", .integer(planned.limits.contextLength)),
      ("threads", .integer(planned.threads)),
      ("fits", .bool(memory.total <= planned.budget.available)),
    ]
  }

  var json: JSONValue {
    var report = JSONObject()
    for (title, entries) in sections {
      var section = JSONObject()
      for (name, value) in entries { section[name] = value }
      report[title] = .object(section)
    }
    report["profile"] = profile?.json
    return .object(report)
  }

  var text: String {
    let blocks = sections.map { title, entries in
      let width = entries.map(\.0.count).max() ?? 0
      let lines = entries.map { name, value in
        let padding = String(repeating: " ", count: width - name.count)
        return "  \(name)\(padding)  \(Self.readable(name, value))"
      }
      return ([title] + lines).joined(separator: "\n")
    }
    return (blocks + [profile?.text].compactMap { $0 }).joined(separator: "\n")
  }

  private static func readable(_ name: String, _ value: JSONValue) -> String {
    if let bytes = value["bytes"]?.integerValue, let count = value["tensors"]?.integerValue {
      return "\(count) tensors, \(ByteCount(bytes))"
    }
    if name.hasSuffix("_bytes"), let bytes = value.integerValue { return "\(ByteCount(bytes))" }
    return value.stringValue?.printable ?? value.text
  }
}
