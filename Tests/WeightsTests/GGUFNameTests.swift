// Messages about a GGUF file say what stands in it, not what the published layout calls the same.

import TestSupport
import Testing
import Weights

@Suite("GGUF names")
struct GGUFNameTests {
  private static let names = [
    "token_embd.weight", "output_norm.weight", "output.weight", "blk.0.attn_norm.weight",
    "blk.12.attn_q.weight", "blk.3.attn_q_a.bias", "blk.3.attn_kv_b.weight",
    "blk.3.attn_k_b.weight", "blk.3.attn_v_b.weight", "blk.7.ffn_gate_inp.weight",
    "blk.7.exp_probs_b.bias", "blk.7.ffn_down_shexp.weight", "blk.999.nextn.eh_proj.weight",
    "blk.61.nextn.shared_head_head.weight",
  ]

  @Test("there and back", arguments: names)
  func roundTrip(name: String) throws {
    let published: String
    switch GGUFTensorRole(name) {
    case .same(let name), .headMatrix(let name): published = name
    case .ignored, .experts: throw Unexpected()
    }
    #expect(published != name)
    #expect(GGUFTensorRole.name(of: published) == name)
  }

  private struct Unexpected: Error {}

  @Test("one of a stack of experts")
  func experts() {
    for part in ["gate", "up", "down"] {
      let name = "blk.4.ffn_\(part)_exps.weight"
      guard case .experts(let prefix, let suffix) = GGUFTensorRole(name) else {
        Issue.record("\(name) is no stack")
        continue
      }
      #expect(GGUFTensorRole.name(of: "\(prefix)31\(suffix)") == name + "[31]")
    }
  }

  @Test("names of neither layout stay", arguments: ["", "x", "model.layers.0.x", "blk.0.attn_q"])
  func others(name: String) {
    #expect(GGUFTensorRole.name(of: name) == name)
  }
}
