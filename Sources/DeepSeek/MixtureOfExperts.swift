// DeepSeekMoE (DeepSeek-V3 paper, section 2.1.2): y = sum_k w_k Expert_k(x) + Shared(x).
//
// The rows of a batch are sorted by expert, so that each expert's weights are read once per pass
// for all rows that chose it. A token's expert outputs are then added in the order of its own
// choice.

import Compute

/// Weights of one mixture layer.
struct MixtureOfExperts: Sendable {
  /// [experts, hidden]
  let gate: MatrixView
  let router: Router
  let experts: [FeedForward]
  /// All shared experts as one unit; nil when there are none.
  let shared: FeedForward?

  func forward(
    _ x: Rows, into y: Rows, _ backend: Backend, _ buffers: ActivationBuffers,
    _ plan: inout ExpertPlan
  ) {
    let scores = buffers.routerScores.rows(0..<x.count)
    backend.linear(gate, x, into: scores, exactly: true)
    plan.route(scores, router)
    runExperts(x, backend, buffers, plan)
    if let shared {
      let width = 0..<shared.intermediateSize
      shared.forward(
        x, gate: buffers.gate.rows(0..<x.count).columns(width),
        up: buffers.up.rows(0..<x.count).columns(width), into: buffers.shared.rows(0..<x.count),
        backend)
    }
    combine(plan, buffers, into: y)
  }

  private func runExperts(
    _ x: Rows, _ backend: Backend, _ buffers: ActivationBuffers, _ plan: ExpertPlan
  ) {
    for place in plan.rowAtPlace.indices {
      let row = plan.rowAtPlace[place]
      buffers.expertInput.rows(place..<place + 1).copy(from: x.rows(row..<row + 1))
    }
    let work = plan.rowAtPlace.count * 3 * x.width * experts[0].intermediateSize
    let tasks = backend.isWorthSplitting(multiplyAdds: work) ? plan.active.count : 1
    backend.pool.run(
      tasks: tasks,
      ExpertWork(
        experts: experts, plan: plan, input: buffers.expertInput, gate: buffers.expertGate,
        up: buffers.expertUp, output: buffers.expertOutput, tasks: tasks,
        kernels: backend.kernels))
  }

  /// The chosen experts, each on all its rows.
  private struct ExpertWork: ParallelWork {
    let experts: [FeedForward]
    let plan: ExpertPlan
    let input: Rows
    let gate: Rows
    let up: Rows
    let output: Rows
    let tasks: Int
    let kernels: Kernels

    func perform(task: Int) {
      for number in stride(from: task, to: plan.active.count, by: tasks) {
        let places = plan.places(of: plan.active[number])
        experts[plan.active[number]].forward(
          input.rows(places), gate: gate.rows(places), up: up.rows(places),
          into: output.rows(places), kernels)
      }
    }
  }

  private func combine(_ plan: ExpertPlan, _ buffers: ActivationBuffers, into y: Rows) {
    y.fill(0)
    for row in 0..<y.count {
      for choice in 0..<plan.expertsPerToken {
        let (place, weight) = plan.place(row: row, choice: choice)
        Elementwise.addScaled(
          buffers.expertOutput, row: place, factor: weight, to: y, row: row)
      }
    }
    if shared != nil { Elementwise.add(buffers.shared.rows(0..<y.count), to: y) }
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
