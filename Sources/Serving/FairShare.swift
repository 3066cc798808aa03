// Whose sequence is admitted next when several clients wait: start-time fair queueing (Goyal, Vin
// and Cheng, 1996) with sequences of one size, so that clients take turns. Pure.

/// Numbers turns. Each client has the number of the turn in which its next sequence begins; the
/// lowest number goes first. A client that comes anew joins in the present turn: what it did not
/// ask for earlier is no credit, and what it had in the present turn still counts.
///
/// Only clients that had a sequence begin since somebody last had to wait are remembered.
package struct FairShare {
  /// A waiting sequence, listed in order of priority and arrival.
  package struct Candidate: Equatable {
    package let client: Int
    package let priority: Int
    /// Whether it ran before and had to give up its pages: it has had its turn.
    package let isResumed: Bool

    package init(client: Int, priority: Int, isResumed: Bool) {
      self.client = client
      self.priority = priority
      self.isResumed = isResumed
    }
  }

  /// The turn of the sequence that was chosen last.
  private var present = 0
  /// By client: the turn of its next sequence, where that is after the present one.
  private var turns: [Int: Int] = [:]

  package init() {}

  /// Clients remembered.
  package var clientCount: Int { turns.count }

  /// The index of the sequence that is to begin next; nil when none waits. A lower priority number
  /// goes before any turn, and what was preempted before what never ran. What is chosen stays so
  /// while there is no room for it, except that more urgent ones overtake it: who comes later joins
  /// in its turn, behind it.
  /// - Parameter waiting: in order of priority and arrival.
  package mutating func next(in waiting: some Sequence<Candidate>) -> Int? {
    var best: (index: Int, turn: Int, priority: Int)?
    for (index, candidate) in waiting.enumerated() {
      if let best, candidate.priority > best.priority { break }
      if candidate.isResumed { return index }
      let turn = turns[candidate.client] ?? present
      if best.map({ turn < $0.turn }) ?? true { best = (index, turn, candidate.priority) }
    }
    guard let best else {
      rest()
      return nil
    }
    advance(to: best.turn)
    return best.index
  }

  private mutating func advance(to turn: Int) {
    guard turn > present else { return }
    present = turn
    turns = turns.filter { $0.value > turn }
  }

  /// Nobody waits: past turns are forgotten.
  private mutating func rest() {
    present = 0
    turns.removeAll(keepingCapacity: true)
  }

  /// A sequence of the client begins that never ran before.
  package mutating func begin(_ client: Int) {
    turns[client] = (turns[client] ?? present) + 1
  }
}
