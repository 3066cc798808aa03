"""A compact DeepSeek-V3: latent attention, mixture of experts, one multi-token-prediction module.

Written for training on CPUs: float32 master weights, matrix products in bfloat16, and the tokens of one
expert gathered into one product. Module names follow the released checkpoints, so that checkpoint.py has
little to rename.
"""
from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F


@dataclass
class Config:
    """The keys of a released config.json that change the arithmetic, under their released names."""
    vocab_size: int = 3072
    hidden_size: int = 256
    intermediate_size: int = 768
    moe_intermediate_size: int = 192
    num_hidden_layers: int = 5
    num_attention_heads: int = 4
    n_shared_experts: int = 1
    n_routed_experts: int = 8
    num_experts_per_tok: int = 2
    n_group: int = 4
    topk_group: int = 2
    routed_scaling_factor: float = 1.5
    first_k_dense_replace: int = 1
    q_lora_rank: int = 96
    kv_lora_rank: int = 64
    qk_nope_head_dim: int = 48
    qk_rope_head_dim: int = 16
    v_head_dim: int = 64
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10000.0
    max_position_embeddings: int = 1024


class Linear(nn.Module):
    """y = x W^T in bfloat16 over a float32 weight."""

    def __init__(self, n_in, n_out, scale=1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in) * 0.7 * scale * n_in ** -0.5)

    def forward(self, x):
        return F.linear(x.to(torch.bfloat16), self.weight.to(torch.bfloat16))


class RMSNorm(nn.Module):
    def __init__(self, size, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        return F.rms_norm(x.float(), self.weight.shape, self.weight, self.eps).to(torch.bfloat16)


def rotate(x, cos, sin):
    """Rotary embedding of interleaved pairs; x is [batch, time, head, dimension]."""
    a, b = x[..., 0::2].float(), x[..., 1::2].float()
    return torch.stack((a * cos - b * sin, b * cos + a * sin), -1).flatten(-2).to(x.dtype)


class Attention(nn.Module):
    """Multi-head latent attention: keys and values come from one small latent per token, and the position
    from one rotary key that all heads share."""

    def __init__(self, c, residual_scale):
        super().__init__()
        self.c = c
        heads = c.num_attention_heads
        self.q_a_proj = Linear(c.hidden_size, c.q_lora_rank)
        self.q_a_layernorm = RMSNorm(c.q_lora_rank, 1e-6)
        self.q_b_proj = Linear(c.q_lora_rank, heads * (c.qk_nope_head_dim + c.qk_rope_head_dim))
        self.kv_a_proj_with_mqa = Linear(c.hidden_size, c.kv_lora_rank + c.qk_rope_head_dim)
        self.kv_a_layernorm = RMSNorm(c.kv_lora_rank, 1e-6)
        self.kv_b_proj = Linear(c.kv_lora_rank, heads * (c.qk_nope_head_dim + c.v_head_dim))
        self.o_proj = Linear(heads * c.v_head_dim, c.hidden_size, residual_scale)

    def forward(self, x, cos, sin):
        c, (batch, time, _) = self.c, x.shape
        heads, nope, rope = c.num_attention_heads, c.qk_nope_head_dim, c.qk_rope_head_dim
        q = self.q_b_proj(self.q_a_layernorm(self.q_a_proj(x))).view(batch, time, heads, nope + rope)
        latent, key_rope = self.kv_a_proj_with_mqa(x).split((c.kv_lora_rank, rope), -1)
        kv = self.kv_b_proj(self.kv_a_layernorm(latent)).view(batch, time, heads, nope + c.v_head_dim)
        key_rope = rotate(key_rope[:, :, None], cos, sin).expand(batch, time, heads, rope)
        q = torch.cat((q[..., :nope], rotate(q[..., nope:], cos, sin)), -1)
        k = torch.cat((kv[..., :nope], key_rope), -1)
        q, k, v = (t.transpose(1, 2).flatten(0, 1) for t in (q, k, kv[..., nope:]))
        # Written out, because PyTorch's fused attention is slower on CPUs at this size.
        mask = torch.full((time, time), float("-inf"), dtype=q.dtype).triu(1)
        scores = torch.baddbmm(mask.expand(len(q), -1, -1), q, k.mT, alpha=(nope + rope) ** -0.5)
        out = torch.bmm(scores.softmax(-1), v).view(batch, heads, time, -1)
        return self.o_proj(out.transpose(1, 2).reshape(batch, time, -1))


class MLP(nn.Module):
    def __init__(self, c, width, residual_scale):
        super().__init__()
        self.gate_proj = Linear(c.hidden_size, width)
        self.up_proj = Linear(c.hidden_size, width)
        self.down_proj = Linear(width, c.hidden_size, residual_scale)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Permute(torch.autograd.Function):
    """Rows in another order. Autograd's own backward of an index adds row by row, which is slow on CPUs."""

    @staticmethod
    def forward(ctx, x, order, inverse):
        ctx.save_for_backward(inverse)
        return x.index_select(0, order)

    @staticmethod
    def backward(ctx, grad):
        return grad.index_select(0, ctx.saved_tensors[0]), None, None


class Gate(nn.Module):
    """Sigmoid routing. The correction bias takes part in the choice of experts, never in their weights, and
    is moved by `MoE.balance`, not by the gradient: that is load balancing without an auxiliary loss."""

    def __init__(self, c):
        super().__init__()
        self.c = c
        self.weight = nn.Parameter(torch.randn(c.n_routed_experts, c.hidden_size) * 0.7 * c.hidden_size ** -0.5)
        self.register_buffer("e_score_correction_bias", torch.zeros(c.n_routed_experts))

    def forward(self, x):
        c = self.c
        scores = F.linear(x.float(), self.weight).sigmoid()
        with torch.no_grad():
            choice = (scores + self.e_score_correction_bias).view(len(x), c.n_group, -1)
            best = choice.topk(2, -1).values.sum(-1).topk(c.topk_group, -1).indices
            masked = torch.ones(choice.shape[:2], dtype=torch.bool).scatter_(1, best, False)
            choice = choice.masked_fill(masked[..., None], float("-inf")).flatten(1)
            experts = choice.topk(c.num_experts_per_tok, -1).indices
        weights = scores.gather(1, experts)
        return experts, weights / (weights.sum(-1, keepdim=True) + 1e-20) * c.routed_scaling_factor


class MoE(nn.Module):
    def __init__(self, c, residual_scale):
        super().__init__()
        self.c = c
        n, width, hidden = c.n_routed_experts, c.moe_intermediate_size, c.hidden_size
        self.gate = Gate(c)
        self.gate_up = nn.Parameter(torch.randn(n, 2, width, hidden) * 0.7 * hidden ** -0.5)
        self.down = nn.Parameter(torch.randn(n, hidden, width) * 0.7 * residual_scale * width ** -0.5)
        self.shared_experts = MLP(c, width * c.n_shared_experts, residual_scale)
        self.register_buffer("load", torch.zeros(n), persistent=False)

    def forward(self, x):
        shape, k = x.shape, self.c.num_experts_per_tok
        x = x.reshape(-1, shape[-1])
        experts, weights = self.gate(x)
        order = experts.flatten().argsort(stable=True)
        inverse = torch.empty_like(order)
        inverse[order] = torch.arange(len(order))
        counts = experts.flatten().bincount(minlength=self.c.n_routed_experts)
        self.load += counts
        rows = Permute.apply(x[:, None].expand(-1, k, -1).reshape(-1, shape[-1]), order, inverse)
        gate_up = self.gate_up.flatten(1, 2).to(x.dtype).unbind(0)
        down = self.down.to(x.dtype).unbind(0)
        outputs = []
        for tokens, w_in, w_out in zip(rows.split(counts.tolist()), gate_up, down):
            gate, up = F.linear(tokens, w_in).chunk(2, -1)
            outputs.append(F.linear(F.silu(gate) * up, w_out))
        routed = Permute.apply(torch.cat(outputs), inverse, order).view(-1, k, shape[-1])
        routed = (routed * weights.to(x.dtype)[..., None]).sum(1)
        return (routed + self.shared_experts(x)).view(shape)

    @torch.no_grad()
    def balance(self, load, speed):
        """One step of the learned bias: up for experts below the mean load, down for those above."""
        self.gate.e_score_correction_bias += speed * torch.sign(load.mean() - load)


class Layer(nn.Module):
    def __init__(self, c, dense):
        super().__init__()
        residual_scale = (2 * c.num_hidden_layers) ** -0.5
        self.input_layernorm = RMSNorm(c.hidden_size, c.rms_norm_eps)
        self.self_attn = Attention(c, residual_scale)
        self.post_attention_layernorm = RMSNorm(c.hidden_size, c.rms_norm_eps)
        self.mlp = MLP(c, c.intermediate_size, residual_scale) if dense else MoE(c, residual_scale)

    def forward(self, x, cos, sin):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class MTPLayer(Layer):
    """The module that predicts the token after the next one, stored as one more layer."""

    def __init__(self, c):
        super().__init__(c, dense=False)
        self.enorm = RMSNorm(c.hidden_size, c.rms_norm_eps)
        self.hnorm = RMSNorm(c.hidden_size, c.rms_norm_eps)
        self.eh_proj = Linear(2 * c.hidden_size, c.hidden_size)
        self.shared_head = nn.ModuleDict({"norm": RMSNorm(c.hidden_size, c.rms_norm_eps)})

    def forward(self, next_embedding, hidden, cos, sin):
        x = self.eh_proj(torch.cat((self.enorm(next_embedding), self.hnorm(hidden)), -1)).float()
        return self.shared_head["norm"](super().forward(x, cos, sin))


class CrossEntropy(torch.autograd.Function):
    """Mean cross entropy of x W^T. Works in chunks and takes the gradient on the way, so that the logits
    stay in the cache and are never kept."""

    @staticmethod
    def forward(ctx, x, weight, targets):
        w, chunk, total = weight.to(x.dtype), 512, 0.0
        grad_x, grad_w = torch.empty_like(x), torch.zeros_like(weight)
        for i in range(0, len(x), chunk):
            part, target = x[i:i + chunk], targets[i:i + chunk, None]
            logs = torch.mm(part, w.t()).float().log_softmax(-1)
            total -= logs.gather(1, target).sum().item()
            if x.requires_grad:
                p = logs.exp_().scatter_add_(1, target, -torch.ones(target.shape))
                p = (p / len(x)).to(x.dtype)
                torch.mm(p, w, out=grad_x[i:i + chunk])
                grad_w += torch.mm(p.t(), part)
        ctx.save_for_backward(grad_x, grad_w)
        return torch.tensor(total / len(x))

    @staticmethod
    def backward(ctx, grad):
        grad_x, grad_w = ctx.saved_tensors
        return grad_x * grad, grad_w * grad, None


class DeepseekV3(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        layers = [Layer(c, dense=i < c.first_k_dense_replace) for i in range(c.num_hidden_layers)]
        self.model = nn.ModuleDict({
            "embed_tokens": nn.Embedding(c.vocab_size, c.hidden_size),
            "layers": nn.ModuleList(layers + [MTPLayer(c)]),
            "norm": RMSNorm(c.hidden_size, c.rms_norm_eps)})
        nn.init.normal_(self.model["embed_tokens"].weight, std=0.02)
        exponent = -torch.arange(0, c.qk_rope_head_dim, 2) / c.qk_rope_head_dim
        angle = torch.arange(c.max_position_embeddings)[:, None] * c.rope_theta ** exponent
        self.register_buffer("cos", angle.cos()[:, None], persistent=False)
        self.register_buffer("sin", angle.sin()[:, None], persistent=False)

    def hidden(self, ids):
        """The main model's output after the final norm, which both heads and the MTP module read."""
        x, time = self.model["embed_tokens"](ids), ids.shape[1]
        for layer in self.model["layers"][:-1]:
            x = layer(x, self.cos[:time], self.sin[:time])
        return self.model["norm"](x)

    def hidden_mtp(self, next_ids, hidden):
        """Row i sees hidden[i] and token i+1 and predicts token i+2."""
        time = hidden.shape[1]
        return self.model["layers"][-1](self.model["embed_tokens"](next_ids), hidden, self.cos[:time], self.sin[:time])

    def logits(self, hidden):
        return F.linear(hidden, self.model["embed_tokens"].weight.to(hidden.dtype)).float()

    def losses(self, ids):
        """Cross entropy of the next token and of the one after it; ids is [batch, time + 2]."""
        hidden, head = self.hidden(ids[:, :-2]), self.model["embed_tokens"].weight
        hidden_mtp = self.hidden_mtp(ids[:, 1:-1], hidden)
        return (CrossEntropy.apply(hidden.flatten(0, 1), head, ids[:, 1:-1].flatten()),
                CrossEntropy.apply(hidden_mtp.flatten(0, 1), head, ids[:, 2:].flatten()))

    def moe_layers(self):
        """All MoE blocks, the MTP module's last."""
        return [m for m in self.modules() if isinstance(m, MoE)]
