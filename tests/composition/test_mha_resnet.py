import numpy as np
import pytest
import torch
from torch import nn

from ionsieve.composition.mha_resnet import Bottleneck, MHAResNet

ROUNDING = {"rtol": 1e-4, "atol": 1e-4}
ATTENTIONS = pytest.mark.parametrize("attention", ["published", "positions"])


def network(n_inputs: int, attention: str = "published", n_space_groups: int = 0) -> MHAResNet:
    torch.manual_seed(0)
    return MHAResNet(n_inputs, attention, n_space_groups).eval()


def rows(n_rows: int, n_inputs: int, n_space_groups: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.rand(n_rows, n_inputs), torch.randint(1, 231, (n_rows, n_space_groups))


@ATTENTIONS
@pytest.mark.parametrize("n_inputs", [1, 2, 8, 9, 61])
@pytest.mark.parametrize("n_space_groups", [0, 1, 2])
def test_each_row_of_any_length_gives_one_number(attention, n_inputs, n_space_groups):
    outputs = network(n_inputs, attention, n_space_groups)(*rows(3, n_inputs, n_space_groups))
    assert outputs.shape == (3,)
    assert torch.isfinite(outputs).all()


@pytest.mark.parametrize("length", [1, 8, 9, 61, 262])
def test_a_signal_ends_in_an_eighth_of_its_positions_rounded_up(length):
    resnet = network(length)
    features = resnet.bottlenecks(resnet.stem(torch.rand(2, 1, length)))
    assert features.shape == (2, 512, -(-length // 8))


def test_all_bottlenecks_are_there():
    resnet = network(8)
    channels = [block.convolutions[0].in_channels for block in resnet.bottlenecks]
    channels_out = [block.convolutions[-2].out_channels for block in resnet.bottlenecks]
    strides = [block.convolutions[3].stride[0] for block in resnet.bottlenecks]
    assert channels == [64, 256, 256, 256, 512, 512, 512]
    assert channels_out == [256, 256, 256, 512, 512, 512, 512]
    assert strides == [1, 1, 1, 2, 1, 1, 1]


def test_parameters_are_as_many_as_by_hand():
    def bottleneck(channels_in: int, width: int, channels_out: int, projected: bool) -> int:
        convolutions = channels_in * width + 3 * width**2 + width * channels_out
        norms = 2 * (width + width + channels_out)
        shortcut = channels_in * channels_out + 2 * channels_out if projected else 0
        return convolutions + norms + shortcut

    stem = 7 * 64 + 2 * 64
    narrow = bottleneck(64, 64, 256, True) + 2 * bottleneck(256, 64, 256, False)
    wide = bottleneck(256, 128, 512, True) + 3 * bottleneck(512, 128, 512, False)
    attention = 4 * (512 * 512 + 512)
    feed_forward = 512 * 2048 + 2048 + 2048 * 512 + 512
    layer_norms, output = 2 * 2 * 512, 512 + 1
    embeddings = 2 * 231 * 10
    expected = stem + narrow + wide + attention + feed_forward + layer_norms + output + embeddings
    resnet = network(8, "published", 2)
    assert sum(weights.numel() for weights in resnet.parameters()) == expected


def test_a_bottleneck_whose_branch_is_silent_passes_its_input():
    block = Bottleneck(256, 256, stride=1).eval()
    nn.init.zeros_(block.convolutions[-1].weight)
    signal = torch.rand(2, 256, 5)
    assert torch.equal(block(signal), signal)


def test_published_attention_is_affine_whatever_queries_and_keys():
    """Softmax over a sequence of one element is 1: what is left is a linear layer of the values."""
    attention = network(8).encoder.self_attn
    first, second, third = torch.randn(3, 4, 1, 512)

    def attended(vectors: torch.Tensor) -> torch.Tensor:
        return attention(vectors, vectors, vectors)[0]

    with torch.no_grad():
        attention.in_proj_bias.normal_()
        expected = attended(first)
        torch.testing.assert_close(
            attended(2.0 * first - 3.0 * second + 2.0 * third),
            2.0 * expected - 3.0 * attended(second) + 2.0 * attended(third),
            **ROUNDING,
        )
        values, value_bias = attention.in_proj_weight[1024:], attention.in_proj_bias[1024:]
        by_hand = attention.out_proj(first @ values.T + value_bias)
        torch.testing.assert_close(expected, by_hand, **ROUNDING)
        attention.in_proj_weight[:1024].normal_(std=10.0)  # queries and keys
        attention.in_proj_bias[:1024].normal_(std=10.0)
        torch.testing.assert_close(attended(first), expected, **ROUNDING)


def test_only_attention_over_positions_uses_queries_and_keys():
    changes = {}
    for attention in ("published", "positions"):
        resnet = network(60, attention)
        inputs = rows(4, 60, 0)
        with torch.no_grad():
            before = resnet(*inputs)
            resnet.encoder.self_attn.in_proj_weight[:1024].normal_(std=0.5)
            changes[attention] = (resnet(*inputs) - before).abs().max().item()
    assert changes["published"] < 1e-5
    assert changes["positions"] > 1e-3


def test_queries_and_keys_never_learn_in_the_published_network():
    resnet = network(60).train()
    resnet(*rows(4, 60, 0)).sum().backward()
    gradient = resnet.encoder.self_attn.in_proj_weight.grad
    assert gradient[:1024].abs().max() < 1e-6 * gradient[1024:].abs().max()


@ATTENTIONS
def test_each_space_group_has_a_trained_vector_of_its_own(attention):
    resnet = network(8, attention, 2).train()
    inputs, _ = rows(3, 8, 2)
    space_groups = torch.tensor([[225, 1], [225, 0], [62, 14]])
    (resnet(inputs, space_groups) * torch.tensor([1.0, -2.0, 3.0])).sum().backward()
    learned = [np.flatnonzero(e.weight.grad.abs().sum(dim=1)).tolist() for e in resnet.embeddings]
    assert learned == [[62, 225], [1, 14]]


def test_an_unknown_space_group_gives_zeros():
    resnet = network(8, "published", 2)
    inputs, _ = rows(3, 8, 2)
    without = network(28)
    without.load_state_dict(
        {name: weights for name, weights in resnet.state_dict().items() if not name.startswith("embeddings")}
    )
    padded = torch.cat([inputs, torch.zeros(3, 20)], dim=1)
    unknown, none = torch.zeros(3, 2, dtype=torch.int64), torch.zeros(3, 0, dtype=torch.int64)
    assert torch.equal(resnet(inputs, unknown), without(padded, none))
