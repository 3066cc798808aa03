// One answer of a measurement, and when its tokens came.

import Dispatch
import Platform
import Serving
import Synchronization

/// Takes the time of each token on the engine's own thread as it is sent, so that no other thread
/// has to run beside the computation.
final class BenchStream: Sendable {
  /// Times are nanoseconds of the monotonic clock.
  struct Record {
    var submitted: UInt64 = 0
    var cachedTokens = 0
    var times: [UInt64] = []
    /// Why the engine did not take the request, or gave it up.
    var failure: (any Error)?
    fileprivate var stream: TokenStream?
  }

  private let request: GenerationRequest
  private let window: BenchWindow?
  private let state = Mutex(Record())
  private let ended: @Sendable () -> Void

  /// - Parameters:
  ///   - window: told of the tokens.
  ///   - ended: called when the answer has ended, on the engine's thread, or was refused.
  init(
    _ request: GenerationRequest, window: BenchWindow? = nil, ended: @escaping @Sendable () -> Void
  ) {
    self.request = request
    self.window = window
    self.ended = ended
  }

  var record: Record { state.withLock { $0 } }

  /// Submits the request. May be called from any thread.
  func start(_ engine: EngineHandle) {
    let wasTaken = state.withLock { state in
      state.times.reserveCapacity(request.maxTokens)
      state.submitted = MonotonicClock.nanoseconds
      do throws(ServingError) {
        // The first event waits for this lock, and thus for the stream to be known.
        state.stream = try engine.submit(request) { [self] in take() }
      } catch {
        state.failure = error
      }
      return state.stream != nil
    }
    if !wasTaken { ended() }
  }

  private func take() {
    let isOver = state.withLock { state in
      var isOver = false
      for event in state.stream?.drain() ?? [] {
        switch event {
        case .started(let cachedTokens): state.cachedTokens = cachedTokens
        case .prompt: break
        case .token:
          let (time, count) = (MonotonicClock.nanoseconds, state.times.count + 1)
          state.times.append(time)
          window?.tookToken(at: time, isFirst: count == 1, isLast: count == request.maxTokens)
        case .finished: isOver = true
        case .failed(let failure):
          state.failure = CommandError("\(failure)")
          isOver = true
        }
      }
      // The stream holds on to this object until it is let go.
      if isOver { state.stream = nil }
      return isOver
    }
    if isOver { ended() }
  }
}
