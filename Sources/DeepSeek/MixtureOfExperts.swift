// DeepSeekMoE (DeepSeek-V3 paper, section 2.1.2): y = sum_k w_k Expert_k(x) + Shared(x).
//
// The rows of a batch are sorted by expert, so that each expert's weights are read once per pass
// for all rows that chose it. A token's expert outputs are then added in the order of its own
// choice.

import Compute

/// Weights of one mixture layer. All experts have the same shapes and formats.
struct MixtureOfExperts: Sendable {
  /// [experts, hidden]
  let gate: PackedMatrix
  let router: Router
  let experts: [FeedForward]
  /// All shared experts as one unit; nil when there are none.
  let shared: FeedForward?

  func forward(
    _ x: Rows, into y: Rows, _ backend: Backend, _ buffers: ActivationBuffers,
    _ plan: inout ExpertPlan
  ) {
    let scores = buffers.routerScores.rows(0..<x.count)
    backend.linear(gate, x, using: buffers.inputEncoding, into: scores, exactly: true)
    plan.route(scores, router)
    backend.finished(.router)
    run(x, backend, buffers, plan)
    backend.forEachRow(
      y.count, cost: y.width * (plan.expertsPerToken + 1) / 8,
      Combination(
        plan: plan, experts: buffers.expertOutput,
        shared: shared == nil ? nil : buffers.shared.rows(0..<y.count), output: y))
  }

  /// The chosen experts, each on all its rows, and the shared ones.
  private func run(
    _ x: Rows, _ backend: Backend, _ buffers: ActivationBuffers, _ plan: ExpertPlan
  ) {
    let places = 0..<plan.rowAtPlace.count
    let unit = experts[0]
    let (gate, up) = buffers.encode(x, for: unit, backend)
    let gateInput = gather(
      gate, x, unit.gate.format, buffers.expertEncoding, backend, buffers, plan)
    let isSame = backend.takesAlike(unit.gate.format, unit.up.format)
    let upInput =
      isSame
      ? gateInput
      : gather(up, x, unit.up.format, buffers.secondExpertEncoding, backend, buffers, plan)
    let hidden = backend.place(
      buffers.expertGate.rows(places), for: unit.down.format, in: buffers.expertHiddenEncoding)
    // If the shared experts take other inputs, these may go where the routed ones' were gathered
    // from.
    let common = shared.map { shared in
      buffers.commonPass(
        of: shared,
        takesAlike(unit, shared, backend) ? (gate, up) : buffers.encode(x, for: shared, backend),
        into: buffers.shared.rows(0..<x.count), backend)
    }
    let passes = MixturePasses(
      experts: experts, plan: plan, common: common, gateInput: gateInput, upInput: upInput,
      gate: buffers.expertGate.rows(places), up: buffers.expertUp.rows(places), hidden: hidden,
      output: buffers.expertOutput.rows(places))
    let activate = FeedForwardWork(passes, .activate, backend)
    backend.pool.run(tasks: activate.taskCount, activate)
    backend.finished(.expertsActivate)
    backend.fill(hidden, from: buffers.expertGate.rows(places))
    if let common { backend.fill(common.hidden, from: common.gate) }
    let project = FeedForwardWork(passes, .project, backend)
    backend.pool.run(tasks: project.taskCount, project)
    backend.finished(.expertsProject)
  }

  private func takesAlike(_ a: FeedForward, _ b: FeedForward, _ backend: Backend) -> Bool {
    backend.takesAlike(a.gate.format, b.gate.format)
      && backend.takesAlike(a.up.format, b.up.format)
  }

  /// The rows' encoded copies in the order of places.
  private func gather(
    _ encoded: EncodedRows, _ x: Rows, _ format: ElementFormat, _ buffer: EncodingBuffer,
    _ backend: Backend, _ buffers: ActivationBuffers, _ plan: ExpertPlan
  ) -> EncodedRows {
    let target = backend.place(
      buffers.expertInput.rows(0..<plan.rowAtPlace.count), for: format, in: buffer)
    backend.forEachRow(
      target.count, cost: target.width / 16,
      Gathering(plan: plan, source: encoded, target: target))
    return target
  }

  private struct Gathering: RowWork {
    let plan: ExpertPlan
    let source: EncodedRows
    let target: EncodedRows

    func perform(rows: Range<Int>) {
      for place in rows { target.copy(row: plan.rowAtPlace[place], of: source, to: place) }
    }
  }

  /// Adds up what a row's experts computed, in the order of its own choice.
  private struct Combination: RowWork {
    let plan: ExpertPlan
    let experts: Rows
    let shared: Rows?
    let output: Rows

    func perform(rows: Range<Int>) {
      for row in rows {
        output.rows(row..<row + 1).fill(0)
        for choice in 0..<plan.expertsPerToken {
          let (place, weight) = plan.place(row: row, choice: choice)
          Elementwise.addScaled(experts, row: place, factor: weight, to: output, row: row)
        }
        if let shared { Elementwise.addScaled(shared, row: row, factor: 1, to: output, row: row) }
      }
    }
  }
}

/// The passes of a mixture layer: a routed one for each expert that rows chose.
private struct MixturePasses: FeedForwardPasses {
  let experts: [FeedForward]
  let plan: ExpertPlan
  let common: FeedForwardPass?
  /// Rows of all experts, one behind the other.
  let gateInput: EncodedRows
  let upInput: EncodedRows
  let gate: Rows
  let up: Rows
  let hidden: EncodedRows
  let output: Rows

  var routedCount: Int { plan.active.count }

  func routed(_ number: Int) -> FeedForwardPass {
    let expert = plan.active[number]
    let places = plan.places(of: expert)
    return FeedForwardPass(
      unit: experts[expert], gateInput: gateInput.rows(places), upInput: upInput.rows(places),
      gate: gate.rows(places), up: up.rows(places), hidden: hidden.rows(places),
      output: output.rows(places))
  }
}

/// Which row goes where in one pass of one layer: rows sorted by expert, ties by row.
struct ExpertPlan: Sendable {
  let expertsPerToken: Int
  /// Experts that at least one row chose, ascending.
  private(set) var active: [Int] = []
  /// The row whose copy stands at each place.
  private(set) var rowAtPlace: [Int] = []
  /// First place of each expert, and one past the last.
  private var firstPlace: [Int]
  private var chosen: [Int] = []
  private var weights: [Float] = []
  private var placeOfChoice: [Int] = []
  // Scratch of one row.
  private var choice: [Float] = []
  private var rowExperts: [Int] = []
  private var rowWeights: [Float] = []

  init(expertCount: Int, expertsPerToken: Int, rows: Int) {
    self.expertsPerToken = expertsPerToken
    firstPlace = [Int](repeating: 0, count: expertCount + 1)
    choice.reserveCapacity(Router.scratchCount(expertCount: expertCount))
    active.reserveCapacity(expertCount)
    rowAtPlace.reserveCapacity(rows * expertsPerToken)
    chosen.reserveCapacity(rows * expertsPerToken)
    weights.reserveCapacity(rows * expertsPerToken)
    placeOfChoice.reserveCapacity(rows * expertsPerToken)
    rowExperts.reserveCapacity(expertsPerToken)
    rowWeights.reserveCapacity(expertsPerToken)
  }

  /// Routes every row of `scores` [rows, experts] and sorts the rows by expert.
  mutating func route(_ scores: Rows, _ router: Router) {
    chosen.removeAll(keepingCapacity: true)
    weights.removeAll(keepingCapacity: true)
    for row in 0..<scores.count {
      scores.withMutableRow(row) { logits in
        router.route(&logits, choice: &choice, experts: &rowExperts, weights: &rowWeights)
      }
      chosen.append(contentsOf: rowExperts)
      weights.append(contentsOf: rowWeights)
    }
    sortByExpert()
  }

  private mutating func sortByExpert() {
    let expertCount = firstPlace.count - 1
    for expert in firstPlace.indices { firstPlace[expert] = 0 }
    for expert in chosen { firstPlace[expert + 1] += 1 }
    active.removeAll(keepingCapacity: true)
    for expert in 0..<expertCount {
      if firstPlace[expert + 1] > 0 { active.append(expert) }
      firstPlace[expert + 1] += firstPlace[expert]
    }
    rowAtPlace.removeAll(keepingCapacity: true)
    rowAtPlace.append(contentsOf: repeatElement(0, count: chosen.count))
    placeOfChoice.removeAll(keepingCapacity: true)
    for (index, expert) in chosen.enumerated() {
      let place = firstPlace[expert]
      firstPlace[expert] += 1
      rowAtPlace[place] = index / expertsPerToken
      placeOfChoice.append(place)
    }
    // Each start has moved on to the next expert's: shift them back.
    for expert in stride(from: expertCount, to: 0, by: -1) {
      firstPlace[expert] = firstPlace[expert - 1]
    }
    firstPlace[0] = 0
  }

  /// The places of one expert's rows.
  func places(of expert: Int) -> Range<Int> { firstPlace[expert]..<firstPlace[expert + 1] }

  /// Where the `choice`-th expert of a row computed it, and that expert's weight.
  func place(row: Int, choice: Int) -> (place: Int, weight: Float) {
    let index = row * expertsPerToken + choice
    return (placeOfChoice[index], weights[index])
  }
}
