// A configuration as the metadata of a GGUF file (keys of architecture `deepseek2` in
// github.com/ggml-org/ggml, docs/gguf.md, and llama.cpp, gguf-py/gguf/constants.py), and what such
// a file cannot say.

import Weights

extension ModelConfiguration {
  /// Refuses what readers of GGUF files would compute differently, since no key says it.
  func requireExportable() throws(DeepSeekError) {
    func refuse(_ key: String, _ reason: String) -> DeepSeekError {
      .configuration(key: key, reason: reason + ", which a GGUF file cannot say")
    }
    guard rope.interleaved else { throw refuse("rope_interleave", "is false") }
    guard let yarn = rope.yarn else { return }
    // Cosines and sines have no factor of their own there.
    if let factor = yarn.attentionFactor {
      guard factor == 1 else { throw refuse("rope_scaling.attention_factor", "is not 1") }
    } else if yarn.mscale == nil || yarn.mscale != yarn.mscaleAllDim {
      throw refuse("rope_scaling.mscale", "differs from mscale_all_dim or is absent")
    }
  }

  /// The keys that begin with the architecture's name.
  public var exportMetadata: ExportMetadata {
    var keys = ExportMetadata()
    func name(_ key: String) -> String { "deepseek2." + key }
    keys.add(name("block_count"), count: layerCount + mtpLayerCount)
    keys.add(name("context_length"), count: maxPositions)
    keys.add(name("embedding_length"), count: hiddenSize)
    keys.add(name("feed_forward_length"), count: intermediateSize)
    keys.add(name("vocab_size"), count: vocabularySize)
    keys.add(name("attention.head_count"), count: headCount)
    // To readers the latent is the one key and value that all heads share.
    keys.add(name("attention.head_count_kv"), count: 1)
    keys.add(name("attention.layer_norm_rms_epsilon"), .float(normEpsilon))
    keys.add(name("attention.q_lora_rank"), count: queryRank)
    keys.add(name("attention.kv_lora_rank"), count: latentRank)
    keys.add(name("attention.key_length"), count: latentRank + ropeWidth)
    keys.add(name("attention.value_length"), count: latentRank)
    keys.add(name("attention.key_length_mla"), count: nopeWidth + ropeWidth)
    keys.add(name("attention.value_length_mla"), count: valueWidth)
    keys.add(name("leading_dense_block_count"), count: denseLayerCount)
    keys.add(name("expert_feed_forward_length"), count: expertIntermediateSize)
    keys.add(name("expert_count"), count: routedExpertCount)
    keys.add(name("expert_used_count"), count: expertsPerToken)
    keys.add(name("expert_shared_count"), count: sharedExpertCount)
    keys.add(name("expert_group_count"), count: router.groups?.count ?? 1)
    keys.add(name("expert_group_used_count"), count: router.groups?.kept ?? 1)
    keys.add(name("expert_weights_scale"), .float(Float(router.routedScalingFactor)))
    keys.add(name("expert_weights_norm"), .bool(router.normalizesWeights))
    keys.add(name("expert_gating_func"), count: router.scoring == .softmax ? 1 : 2)
    keys.add(name("rope.dimension_count"), count: ropeWidth)
    keys.add(name("rope.freq_base"), .float(Float(rope.theta)))
    if let yarn = rope.yarn {
      keys.add(name("rope.scaling.type"), .string("yarn"))
      keys.add(name("rope.scaling.factor"), .float(Float(yarn.factor)))
      keys.add(name("rope.scaling.original_context_length"), count: yarn.originalMaxPositions)
      keys.add(name("rope.scaling.yarn_beta_fast"), .float(Float(yarn.betaFast)))
      keys.add(name("rope.scaling.yarn_beta_slow"), .float(Float(yarn.betaSlow)))
      keys.add(
        name("rope.scaling.yarn_log_multiplier"),
        yarn.mscaleAllDim.map { .float(Float(0.1 * $0)) })
    }
    if mtpLayerCount > 0 { keys.add(name("nextn_predict_layers"), count: mtpLayerCount) }
    return keys
  }
}
