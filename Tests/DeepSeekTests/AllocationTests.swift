// A decode step allocates nothing: forward pass, logits, sampling and drafting, on all threads.

import Compute
import DeepSeek
import Platform
import Sampling
import Synchronization
import TestSupport
import Testing
import Weights

@Suite("Allocations")
struct AllocationTests {
  /// Joins every thread of a pool to a counter, or lets it leave: the tasks wait for each other,
  /// so that no thread takes two.
  private struct EveryThread: ParallelWork {
    let counter: AllocationCounter
    let starts: Bool
    let arrived = Arrivals()
    let count: Int

    func perform(task: Int) {
      arrived.number.add(1, ordering: .sequentiallyConsistent)
      while arrived.number.load(ordering: .sequentiallyConsistent) < count { Thread.yield() }
      if starts { counter.start() } else { counter.stop() }
    }
  }

  private final class Arrivals: Sendable {
    let number = Atomic<Int>(0)
  }

  private func count(on pool: WorkerPool, _ body: () -> Void) -> Int {
    let counter = AllocationCounter()
    let threads = pool.threadCount
    pool.run(tasks: threads, EveryThread(counter: counter, starts: true, count: threads))
    body()
    let count = counter.stop()
    pool.run(tasks: threads, EveryThread(counter: counter, starts: false, count: threads))
    return count
  }

  @Test("the counter counts what its threads allocate, and nothing else", arguments: [1, 2])
  func positiveControl(threads: Int) throws {
    let pool = try WorkerPool(threadCount: threads)
    #expect(count(on: pool) {} == 0)
    let arrays = count(on: pool) {
      for size in 1...10 { #expect(Array(repeating: size, count: 1000 * size).count > 0) }
    }
    #expect(arrays >= 10)
    let elsewhere = count(on: pool) {
      pool.run(tasks: threads, Allocating(count: threads))
    }
    #expect(elsewhere >= threads, "those of the pool's threads too")
  }

  /// Every thread allocates once.
  private struct Allocating: ParallelWork {
    let arrived = Arrivals()
    let count: Int

    func perform(task: Int) {
      arrived.number.add(1, ordering: .sequentiallyConsistent)
      while arrived.number.load(ordering: .sequentiallyConsistent) < count { Thread.yield() }
      let block = UnsafeMutableRawPointer.allocate(byteCount: 1000, alignment: 64)
      unsafe block.deallocate()
    }
  }

  static let samplings: [SamplingParameters] = {
    var greedy = SamplingParameters()
    greedy.temperature = 0
    let plain = SamplingParameters()
    var filtered = SamplingParameters()
    (filtered.topK, filtered.topP, filtered.minP) = (40, 0.9, 0.01)
    var nucleus = SamplingParameters()
    nucleus.topP = 0.95
    var penalized = SamplingParameters()
    (penalized.presencePenalty, penalized.frequencyPenalty) = (0.5, 0.2)
    penalized.repetitionPenalty = 1.1
    penalized.logitBias = [LogitBias(token: 3, bias: 2)]
    return [greedy, plain, filtered, nucleus, penalized]
  }()

  @Test(
    "steps of decoding, sampling and drafting",
    .enabled(if: AllocationCounter.countsTheCode, "debug build"), arguments: [1, 2], [1, 4])
  func decodeSteps(threads: Int, rows: Int) throws {
    for directory in ["parity/v3_mtp", "variants/v2_groups"] {
      let pool = try WorkerPool(threadCount: threads)
      let weights = try ModelWeights(try Checkpoint.open(directory: Fixtures.path(directory)))
        .packed(on: pool)
      let pageCount = 4
      let model = DeepSeekModel(
        weights: weights, backend: Backend(kernels: .best, pool: pool),
        storage: try LatentStorage(
          shape: LatentShape(weights.configuration, format: .bfloat16), pageCount: pageCount),
        decodeRows: rows, prefillRows: rows, logitRows: rows)
      let pages = (0..<pageCount).map { PageIndex($0) }
      let tokens = (0..<Int32(rows)).map { $0 + 2 }
      let steps = (0..<50).map { start in
        var (batch, draft) = (ForwardBatch(), ForwardBatch())
        let first = start * rows % (pageCount * LatentStorage.tokensPerPage - rows)
        batch.append(
          Segment(firstPosition: first, tokenCount: rows, pages: pages), tokens: tokens)
        draft.append(
          Segment(firstPosition: first + 1, tokenCount: rows, pages: pages, firstVisible: 1),
          tokens: tokens)
        return (batch: batch, draft: draft)
      }
      let all = Array(0..<rows)
      let sources = (0..<rows).map { HiddenSource.row(.decode, $0) }
      var samplers = Self.samplings.map {
        Sampler($0, choice: 0, prompt: tokens, reserving: 2 * steps.count)
      }
      func run(_ range: Range<Int>) {
        for number in range {
          model.decode(steps[number].batch)
          let logits = model.logits(.decode, ofRows: all)
          for index in samplers.indices {
            logits.withRow(rows - 1) {
              let token = samplers[index].sample($0, position: number)
              samplers[index].accept(token)
              samplers[index].withdraw(token)
              samplers[index].accept(token)
            }
          }
          if model.canDraft {
            model.draft(steps[number].draft, from: sources)
            _ = model.draftLogits(ofRows: all)
          }
        }
      }
      // Whatever is made once is made now, that of the longest context included.
      run(steps.indices)
      #expect(count(on: pool) { run(steps.indices) } == 0, "\(directory)")
    }
  }
}
