// Everything that changes the arithmetic of a model, validated. Variants are fields; nothing is
// inferred from anything else.

/// A model of the DeepSeek-V3 family (`config.json` of a Hugging Face checkpoint).
public struct ModelConfiguration: Sendable, Equatable {
  /// `vocab_size`, `hidden_size`, `num_hidden_layers`, `num_attention_heads`.
  public var vocabularySize: Int
  public var hiddenSize: Int
  public var layerCount: Int
  public var headCount: Int

  /// `q_lora_rank`; nil when queries are projected directly.
  public var queryRank: Int?
  /// `kv_lora_rank`: elements of the latent.
  public var latentRank: Int
  /// `qk_nope_head_dim`, `qk_rope_head_dim`, `v_head_dim`: elements per head.
  public var nopeWidth: Int
  public var ropeWidth: Int
  public var valueWidth: Int
  /// `attention_bias`: biases on q_a_proj, kv_a_proj_with_mqa and o_proj.
  public var attentionBias: Bool

  /// `intermediate_size` of dense layers, `moe_intermediate_size` of one expert.
  public var intermediateSize: Int
  public var expertIntermediateSize: Int
  /// `n_routed_experts`, `n_shared_experts` (0 when none), `num_experts_per_tok`.
  public var routedExpertCount: Int
  public var sharedExpertCount: Int
  public var expertsPerToken: Int { router.expertsPerToken }
  /// `first_k_dense_replace`: leading layers without experts.
  public var denseLayerCount: Int
  public var router: RouterConfiguration

  /// `num_nextn_predict_layers`: MTP modules after the main layers.
  public var mtpLayerCount: Int
  public var rope: RopeConfiguration
  /// `rms_norm_eps`; the norms over low-rank states have their own.
  public var normEpsilon: Float
  /// `tie_word_embeddings`: the output head is the embedding.
  public var tiedEmbeddings: Bool
  /// `max_position_embeddings`.
  public var maxPositions: Int
  /// `bos_token_id` and `eos_token_id` (one or several).
  public var beginToken: Int32?
  public var endTokens: [Int32]
}

/// How experts are chosen and weighted.
public struct RouterConfiguration: Sendable, Equatable {
  /// How gate logits become scores between 0 and 1.
  public enum Scoring: Sendable, Equatable {
    case sigmoid
    case softmax
  }

  /// `scoring_func`.
  public var scoring: Scoring
  /// e_score_correction_bias exists and takes part in the choice (`topk_method: noaux_tc`).
  public var hasBias: Bool
  /// Groups that limit the choice; nil for a plain top-k.
  public var groups: ExpertGroups?
  /// `num_experts_per_tok`.
  public var expertsPerToken: Int
  /// `norm_topk_prob`: weights are divided by their sum.
  public var normalizesWeights: Bool
  /// `routed_scaling_factor`.
  public var routedScalingFactor: Double

  /// All fields; the ranges are checked where a configuration is read.
  public init(
    scoring: Scoring, hasBias: Bool, groups: ExpertGroups?, expertsPerToken: Int,
    normalizesWeights: Bool, routedScalingFactor: Double
  ) {
    self.scoring = scoring
    self.hasBias = hasBias
    self.groups = groups
    self.expertsPerToken = expertsPerToken
    self.normalizesWeights = normalizesWeights
    self.routedScalingFactor = routedScalingFactor
  }
}

/// Consecutive experts form groups, and only those of the best groups can be chosen.
public struct ExpertGroups: Sendable, Equatable {
  /// What stands for a group when groups are compared.
  public enum Score: Sendable, Equatable {
    /// The largest score of the group (DeepSeek-V2, `group_limited_greedy`).
    case best
    /// The sum of the two largest biased scores (DeepSeek-V3, `noaux_tc`).
    case sumOfTwoBest
  }

  /// `n_group` and `topk_group`.
  public var count: Int
  public var kept: Int
  public var score: Score

  /// `count` divides the experts evenly, `kept` is at most `count`.
  public init(count: Int, kept: Int, score: Score) {
    self.count = count
    self.kept = kept
    self.score = score
  }
}

/// Rotary positions.
public struct RopeConfiguration: Sendable, Equatable {
  /// `rope_theta`.
  public var theta: Double
  /// `rope_interleave`: pairs (2i, 2i+1), else (i, i + rope/2).
  public var interleaved: Bool
  public var yarn: YarnConfiguration?
}

/// `rope_scaling` of type yarn. Absent and zero `mscale`s mean the same and are nil.
public struct YarnConfiguration: Sendable, Equatable {
  /// `factor`: how many times longer the context is than `original_max_position_embeddings`.
  public var factor: Double
  public var originalMaxPositions: Int
  /// `beta_fast` and `beta_slow`: turns within the original length between which the ramp lies.
  public var betaFast: Double
  public var betaSlow: Double
  /// `mscale` and `mscale_all_dim`: weights of the logarithmic factors on scores.
  public var mscale: Double?
  public var mscaleAllDim: Double?
  /// `attention_factor`: replaces what the two would give for cos and sin.
  public var attentionFactor: Double?
}
