// Pausing: a sequence whose reader does not keep up is set aside. It holds no place and no page, so
// it costs no step and can stand in nobody's way; its latents stay cached until others need the
// room. It goes on like a preempted sequence, with the same tokens, when its reader has caught up.

import DeepSeek

extension Engine {
  /// Sets aside the sequences whose events are not taken.
  func pauseUnread() {
    for index in running.indices.reversed() {
      let sequence = running[index]
      // What is in a pass ends it first; that is a chunk of its prompt at most.
      guard !sequence.isInPass, paused.count < limits.pausedSequences,
        sequence.stream.pause(backlog: limits.streamBacklog)
      else { continue }
      monitor.recordPause()
      retire(sequence)
      sequence.preempt()
      sequence.forgetEmission()
      paused.append(sequence)
    }
  }

  /// Puts sequences whose readers have caught up into the queue, at their old place.
  func resume(_ ids: [SequenceID]) {
    guard !ids.isEmpty else { return }
    let ids = Set(ids)
    for sequence in paused where ids.contains(sequence.id) { enqueue(sequence) }
    paused.removeAll { ids.contains($0.id) }
  }
}
