// Which processors are near which memory: machines with several sockets have a part of their memory
// at each, and reading the part of another is slower (man 7 numa).

/// The nodes of the machine that have processors this process may use.
public struct MemoryNodes: Equatable, Sendable {
  /// The numbers of each node's processors, ascending. One empty list where nothing is known.
  public let processors: [[Int]]

  /// - Parameter processors: of each node; nodes without any are left out.
  public init(processors: [[Int]]) {
    let present = processors.filter { !$0.isEmpty }
    self.processors = present.isEmpty ? [[]] : present
  }

  /// All processors alike.
  public static let single = MemoryNodes(processors: [])

  /// The nodes of the machine. `root` replaces `/` in tests.
  public static func measure(root: String = "") -> MemoryNodes {
    let folder = "\(root)/sys/devices/system/node"
    let usable = ProcessorList.usable(root: root)
    let nodes = ProcessorList.numbers((ControlGroups.text("\(folder)/online") ?? "")[...])
    return MemoryNodes(
      processors: nodes.sorted().map { node in
        let list = ControlGroups.text("\(folder)/node\(node)/cpulist") ?? ""
        return ProcessorList.numbers(list[...]).intersection(usable).sorted()
      })
  }
}
