"""The MHA-ResNet of "Deep learning prediction of electrode voltage for metal-ions batteries".

A row of inputs is read as a signal of one channel:

    convolution 1 -> 64 (kernel 7, stride 2), batch norm, max pool (kernel 3, stride 2),
    three bottlenecks 64 -> 256, four bottlenecks 256 -> 512 (the first with stride 2),
    multi-head attention (8 heads, 512), feed-forward 2048, each with a residual and layer norm,
    linear -> one number

The bottlenecks are those of ResNet-50 (He et al., 2016) in one dimension: 1, 3, 1 wide convolutions, each
followed by batch norm, with a quarter of the output's channels inside. The supplement's printed listing
leaves out the four 256 -> 512; its text and the attention's width of 512 need them.

Paddings are half a kernel, so that each stride only halves a length, rounded up: a signal of L inputs
becomes one of ceil(L / 8) positions, and even one input passes. The 8 principal components that the
published preparation keeps end as a single position.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from ionsieve.errors import DataError

Attention = Literal["published", "positions"]
LARGEST_SPACE_GROUP = 230
SPACE_GROUP_FEATURES = 10
FEATURES = 512
HEADS = 8
FEED_FORWARD = 2048
# Channels out and stride of each bottleneck.
BOTTLENECKS = ((256, 1), (256, 1), (256, 1), (512, 2), (512, 1), (512, 1), (512, 1))
STEM_CHANNELS = 64
# Each of the stem's convolution, the max pool and the fourth bottleneck halves the signal.
TOTAL_STRIDE = 8


class Bottleneck(nn.Module):
    """1, 3, 1 wide convolutions around a residual, which a 1 wide one projects where shapes change."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        width = channels_out // 4
        self.convolutions = nn.Sequential(
            nn.Conv1d(channels_in, width, 1, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Conv1d(width, width, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Conv1d(width, channels_out, 1, bias=False),
            nn.BatchNorm1d(channels_out),
        )
        self.shortcut: nn.Module = nn.Identity()
        if channels_in != channels_out or stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv1d(channels_in, channels_out, 1, stride=stride, bias=False),
                nn.BatchNorm1d(channels_out),
            )

    def forward(self, signal: Tensor) -> Tensor:
        """From (B, channels_in, L) to (B, channels_out, ceil(L / stride))."""
        return torch.relu(self.convolutions(signal) + self.shortcut(signal))


class MHAResNet(nn.Module):
    """One number per row of inputs.

    Parameters
    ----------
    n_inputs : D, numeric inputs of a row; 0 with space groups alone.
    attention : what the attention reads. "published", as in the paper's code: the average over all
        positions, hence a sequence of length one. Softmax over one element is 1 whatever the queries and
        keys, so that the attention is the linear map of its values and output projection, and half of its
        weights never learn. "positions", as meant: all positions of the feature map, told apart by learned
        vectors that are added to them; the average is taken afterwards.
    n_space_groups : G, space groups of a row: 0 for none, 1, or 2 (charged and discharged). Each is a number
        0 ... 230 that an embedding of its own, trained with the rest, turns into 10 inputs more; 0 stands
        for "not known" and gives zeros.
    """

    def __init__(self, n_inputs: int, attention: Attention, n_space_groups: int) -> None:
        super().__init__()
        length = n_inputs + SPACE_GROUP_FEATURES * n_space_groups
        if length < 1:
            raise ValueError("a network needs at least one input")
        self.attention = attention
        self.embeddings = nn.ModuleList(
            nn.Embedding(LARGEST_SPACE_GROUP + 1, SPACE_GROUP_FEATURES, padding_idx=0)
            for _ in range(n_space_groups)
        )
        self.stem = nn.Sequential(
            nn.Conv1d(1, STEM_CHANNELS, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm1d(STEM_CHANNELS),
            nn.ReLU(),
            nn.MaxPool1d(3, stride=2, padding=1),
        )
        bottlenecks, channels = [], STEM_CHANNELS
        for channels_out, stride in BOTTLENECKS:
            bottlenecks.append(Bottleneck(channels, channels_out, stride))
            channels = channels_out
        self.bottlenecks = nn.Sequential(*bottlenecks)
        if attention == "positions":
            self.positions = nn.Parameter(torch.zeros(math.ceil(length / TOTAL_STRIDE), FEATURES))
        self.encoder = nn.TransformerEncoderLayer(
            FEATURES, HEADS, dim_feedforward=FEED_FORWARD, dropout=0.0, batch_first=True
        )
        self.output = nn.Linear(FEATURES, 1)

    def forward(self, inputs: Tensor, space_groups: Tensor) -> Tensor:
        """From inputs (B, D), floating, and space groups (B, G), int64, to numbers of shape (B,)."""
        embedded = [embedding(space_groups[:, g]) for g, embedding in enumerate(self.embeddings)]
        signal = torch.cat([inputs, *embedded], dim=1).unsqueeze(1)
        features = self.bottlenecks(self.stem(signal)).transpose(1, 2)
        if self.attention == "published":
            features = features.mean(dim=1, keepdim=True)
        else:
            features = features + self.positions
        return self.output(self.encoder(features).mean(dim=1)).squeeze(-1)


def check_space_groups(space_groups: Tensor) -> None:
    """Refuse what is no space group.

    Raises
    ------
    DataError : a number outside 0 ... 230.
    """
    strangers = space_groups[(space_groups < 0) | (space_groups > LARGEST_SPACE_GROUP)]
    if len(strangers):
        raise DataError(
            f"{int(strangers[0])} is no space group; allowed are 1 to {LARGEST_SPACE_GROUP}, and 0 where it"
            " is not known"
        )
