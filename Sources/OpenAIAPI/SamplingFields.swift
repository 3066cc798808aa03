// The sampling parameters of a request, over the defaults of the checkpoint.

import JSON
import Sampling

extension RequestTranslator {
  /// What the client says, otherwise what the checkpoint says, otherwise what the API says. A
  /// request without a seed gets a random one.
  mutating func samplingParameters() throws(APIError) -> SamplingParameters {
    let defaults = model.defaults
    var sampling = SamplingParameters()
    let temperature =
      try fields.number("temperature", in: APILimits.temperature) ?? defaults.temperature ?? 1
    sampling.temperature = temperature
    sampling.topP = try fields.number("top_p", in: APILimits.share) ?? defaults.topP ?? 1
    // vLLM writes "all" as -1, Hugging Face as 0.
    sampling.topK = max(0, try fields.integer("top_k", in: -1...Int.max) ?? defaults.topK ?? 0)
    sampling.minP = try fields.number("min_p", in: APILimits.share) ?? defaults.minP ?? 0
    sampling.presencePenalty =
      try fields.number("presence_penalty", in: APILimits.penalty) ?? 0
    sampling.frequencyPenalty =
      try fields.number("frequency_penalty", in: APILimits.penalty) ?? 0
    sampling.repetitionPenalty =
      try fields.number("repetition_penalty", in: APILimits.repetitionPenalty)
      ?? defaults.repetitionPenalty ?? 1
    sampling.logitBias = try logitBias()
    let seed = try fields.integer("seed", in: Int.min...Int.max)
    sampling.seed = seed.map { UInt64(bitPattern: Int64($0)) } ?? .random(in: .min ... .max)
    return sampling
  }

  private mutating func logitBias() throws(APIError) -> [LogitBias] {
    let key = "logit_bias"
    var entries: [LogitBias] = []
    for (name, value) in try fields.members(key, limit: APILimits.logitBiasEntries) {
      guard let id = Int(name), String(id) == name else {
        throw fields.invalid(key, "must have token ids as keys, not `\(APIError.quoted(name))`")
      }
      let token = try token(.integer(id), in: key)
      guard let bias = value.doubleValue, APILimits.bias.contains(bias) else {
        throw fields.invalid(
          key,
          "must give numbers between \(APILimits.bias.lowerBound) and "
            + "\(APILimits.bias.upperBound)")
      }
      entries.append(LogitBias(token: token, bias: bias))
    }
    return entries
  }
}
