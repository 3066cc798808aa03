// A sequence's way through the engine: queued, admitted, perhaps preempted, ended.

import DeepSeek

extension Engine {
  /// Puts a sequence into the queue at its place.
  func enqueue(_ sequence: SequenceState) {
    insert(sequence, into: &waiting)
  }

  private func insert(_ sequence: SequenceState, into list: inout [SequenceState]) {
    let index = list.lastIndex { $0.precedes(sequence) }.map { $0 + 1 } ?? 0
    list.insert(sequence, at: index)
  }

  // MARK: - Admission

  /// Lets waiting sequences begin, client by client, as far as there is room.
  func admitWaiting() {
    while running.count < limits.maxSequences,
      let index = fairShare.next(in: waiting.lazy.map(\.candidate)), admit(waiting[index])
    {
      insert(waiting.remove(at: index), into: &running)
    }
  }

  private func admit(_ sequence: SequenceState) -> Bool {
    let usesCache = sequence.request.usesPrefixCache
    func lookup(limit: Int) -> PrefixHit {
      !usesCache
        ? PrefixHit()
        : pool.lookup(
          sequence.tokens, expanded: sequence.expandedCount, limit: limit,
          salt: sequence.request.cacheSalt)
    }
    var hit = lookup(limit: sequence.reusableCount)
    guard !isPrefixUnderWay(sequence, known: hit.tokenCount) else { return false }
    let size = LatentStorage.tokensPerPage
    let positions = min(sequence.tokens.count + 1, sequence.request.positionCount)
    let total = (positions + size - 1) / size
    func isAdmitted() -> Bool {
      scheduler.admits(
        neededPages: total - hit.pages.count, revivedPages: pool.revived(by: hit),
        runningCount: running.count, availablePages: pool.availableCount)
    }
    if !isAdmitted() {
      guard running.isEmpty else { return false }
      // Alone, a sequence always fits, but perhaps not beside the page that it would copy from.
      hit = lookup(limit: hit.pages.count * size)
    }
    begin(sequence, with: hit, pageCount: total)
    return true
  }

  private func begin(_ sequence: SequenceState, with hit: PrefixHit, pageCount: Int) {
    pool.acquire(hit)
    var pages = hit.pages
    while pages.count < pageCount {
      guard let page = pool.allocate() else { preconditionFailure("admitted without pages") }
      pages.append(page)
    }
    var computed = hit.tokenCount
    if let source = hit.partialPage {
      model.copyPage(slots: hit.partialSlots, from: source, to: pages[hit.pages.count])
      pool.release(source)
      // A copied page has no state for the next MTP row to start from: its last position is
      // computed again.
      if drafter.keepsRows { computed -= 1 }
    }
    if sequence.isNew {
      inbox.leaveQueue(sequence.request.client)
      fairShare.begin(sequence.request.client)
      let isQuery = limits.cachesPrefixes && sequence.request.usesPrefixCache
      monitor.recordPrompt(
        tokens: sequence.tokens.count, queried: isQuery ? sequence.tokens.count : 0,
        cached: computed)
    }
    sequence.admit(pages: pages, computed: computed, drafted: hit.drafted, at: clock())
  }

  /// Whether the prefill of a running sequence will provide more of this one's prefix than the
  /// `known` positions of the cache: common prefixes are computed once.
  private func isPrefixUnderWay(_ sequence: SequenceState, known: Int) -> Bool {
    guard limits.cachesPrefixes, sequence.request.usesPrefixCache else { return false }
    let size = LatentStorage.tokensPerPage
    return running.contains { other in
      guard other.pending > 1, other.request.usesPrefixCache,
        other.request.cacheSalt == sequence.request.cacheSalt
      else { return false }
      let end = (max(other.computed, known) / size + 1) * size
      let isAlike =
        other.expandedCount == sequence.expandedCount
        || end <= min(other.expandedCount, sequence.expandedCount)
      return isAlike && end <= sequence.reusableCount && end <= other.tokens.count
        && other.tokens[..<end] == sequence.tokens[..<end]
    }
  }

  // MARK: - Ends

  /// Ends sequences, as far as they have not ended; all in one walk, because clients leave with
  /// many at once and the queue is long.
  func cancel(_ ids: [SequenceID]) {
    guard !ids.isEmpty else { return }
    let ids = Set(ids)
    waiting.removeAll { sequence in
      guard ids.contains(sequence.id) else { return false }
      if sequence.isNew { inbox.leaveQueue(sequence.request.client) }
      monitor.recordCancellation()
      return true
    }
    paused.removeAll { sequence in
      guard ids.contains(sequence.id) else { return false }
      monitor.recordCancellation()
      return true
    }
    for sequence in running where ids.contains(sequence.id) && !sequence.isCancelled {
      cancelRunning(sequence)
    }
  }

  private func cancelRunning(_ sequence: SequenceState) {
    monitor.recordCancellation()
    sequence.isCancelled = true
    if !sequence.isInPass {
      retire(sequence)
    } else if prefillPass.entries.allSatisfy({ $0.sequence.isCancelled }) {
      endPrefill()
    }
  }

  /// Takes the pages of the last sequence for those before it. What it has said stays said; its
  /// latents are computed again, as far as they do not survive in the cache.
  func preempt(_ sequence: SequenceState) {
    if sequence.isInPass { endPrefill() }
    guard !sequence.isCancelled else { return }
    monitor.recordPreemption()
    retire(sequence)
    sequence.preempt()
    enqueue(sequence)
  }

  /// Forgets the prefill under way, with those of its sequences that nobody reads any more.
  private func endPrefill() {
    let entries = prefillPass.entries
    abandonPrefill()
    for entry in entries where entry.sequence.isCancelled { retire(entry.sequence) }
  }

  func retire(_ sequence: SequenceState) {
    running.removeAll { $0 === sequence }
    // What a failed sequence computed is not for others.
    let isKept = sequence.failure == nil && sequence.request.usesPrefixCache
    pool.retire(
      sequence.pages, tokens: sequence.tokens, expanded: sequence.expandedCount,
      computed: isKept ? sequence.computed : 0,
      salt: sequence.request.cacheSalt, drafted: sequence.drafted)
  }

  /// Nil when every page is free, cached, or held by exactly the sequences that list it.
  package var invariantViolation: String? {
    if !pool.isConsistent(held: running.flatMap(\.pages)) { return "pages lost or shared" }
    for sequence in running {
      let covered = sequence.pages.count * LatentStorage.tokensPerPage
      if covered < sequence.computed || sequence.pending < 1 { return "running without pages" }
    }
    if waiting.contains(where: { !$0.pages.isEmpty }) { return "waiting with pages" }
    if paused.contains(where: { !$0.pages.isEmpty }) { return "paused with pages" }
    for list in [running, waiting]
    where !zip(list, list.dropFirst()).allSatisfy({ $0.precedes($1) }) {
      return "out of order"
    }
    return nil
  }
}
