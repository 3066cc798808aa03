// Publishing: drafts for the next step, prefixes for others to share, and the ends of answers.

import DeepSeek

extension Engine {
  /// Ends answers that are finished, and drafts for the others.
  func publish() {
    decodePass.releaseBatch()
    if !plan.decodes.isEmpty { drafter.add(decodePass) }
    if isPrefillFinished {
      prefillPass.releaseBatch()
      drafter.add(prefillPass)
    }
    let start = clock()
    drafter.draft(with: model, &pool, spare: running.count, clock: clock)
    recordDrafting(seconds: seconds(since: start))
    if !plan.decodes.isEmpty {
      let cost = decodePass.seconds + seconds(since: start)
      let known = view.decodeSeconds
      view.decodeSeconds = known == 0 ? cost : known + (cost - known) / 8
      endFinished(decodePass.entries)
      decodePass.removeAll()
    }
    if isPrefillFinished { publishPrefill() }
  }

  /// Brings the monitor's gauges up to date.
  func report() {
    monitor.recordPool(
      running: running.count, waiting: waiting.count, paused: paused.count,
      free: pool.freeCount, cached: pool.cachedCount, of: limits.pageCount)
  }

  /// Lets others share what the prefill computed.
  private func publishPrefill() {
    let entries = prefillPass.entries
    monitor.recordPrefill(tokens: prefillPass.rowCount, prefillPass.load)
    abandonPrefill()
    for entry in entries {
      let sequence = entry.sequence
      if sequence.isCancelled {
        retire(sequence)
      } else if sequence.finished == nil, sequence.request.usesPrefixCache {
        pool.share(
          &sequence.pages, tokens: sequence.tokens, expanded: sequence.expandedCount,
          computed: sequence.computed,
          salt: sequence.request.cacheSalt, drafted: &sequence.drafted)
      }
    }
    endFinished(entries)
  }

  private func endFinished(_ entries: [LanePass.Entry]) {
    for entry in entries where !entry.sequence.isCancelled {
      guard entry.sequence.finished != nil else { continue }
      retire(entry.sequence)
      end(entry.sequence)
    }
  }
}
