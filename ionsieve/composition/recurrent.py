"""A long short-term memory that reads the elements of a pair's two formulas: the LSTM of table S2."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from ionsieve.composition.network_training import fit
from ionsieve.composition.pairs import Pairs
from ionsieve.voltage.element_features import N_ELEMENTS, PROPERTY_NAMES, element_properties
from ionsieve.voltage.training import Schedule

N_TOKEN_NUMBERS = 3
ELEMENT_FEATURES = 32
HIDDEN_FEATURES = 128
LAYERS = 2
DROPOUT = 0.2
SCHEDULE = Schedule(epochs=40, batch_size=128, learning_rate=4e-3, weight_decay=1e-2)


@dataclass(frozen=True)
class Sequences:
    """Elements of S pairs in a row, padded to the same length L.

    Each formula is written with its least electronegative element first, the charged one before the
    discharged one.

    Attributes
    ----------
    numbers : atomic numbers, 0 beyond a sequence's end, shape (S, L).
    token_numbers : share of the formula's atoms, 1 where the formula is the discharged one, 1 where the
        element is the working ion; shape (S, L, 3).
    lengths : elements in both formulas, shape (S,).
    """

    numbers: torch.Tensor
    token_numbers: torch.Tensor
    lengths: torch.Tensor

    @classmethod
    def of(cls, pairs: Pairs) -> "Sequences":
        """The sequences of some pairs."""
        electronegativity = element_properties()[:, PROPERTY_NAMES.index("electronegativity")]
        order = np.argsort(electronegativity, kind="stable")
        formulas = [pairs.amounts(ions)[:, order] for ions in (pairs.ions_charged, pairs.ions_discharged)]
        shares = np.concatenate(
            [amounts / amounts.sum(axis=1, keepdims=True) for amounts in formulas], axis=1
        )
        pair, token = np.nonzero(shares)
        lengths = np.bincount(pair, minlength=len(pairs))
        place = np.arange(len(pair)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        numbers = np.zeros((len(pairs), int(lengths.max(initial=0))), dtype=np.int64)
        token_numbers = np.zeros((*numbers.shape, N_TOKEN_NUMBERS))
        elements = order[token % (N_ELEMENTS + 1)]
        numbers[pair, place] = elements
        token_numbers[pair, place] = np.column_stack(
            [shares[pair, token], token > N_ELEMENTS, elements == pairs.ion_numbers[pair]]
        )
        return cls(
            torch.from_numpy(numbers), torch.from_numpy(token_numbers).float(), torch.from_numpy(lengths)
        )

    def batch(self, rows: np.ndarray, device: torch.device) -> tuple[torch.Tensor, ...]:
        """The network's arguments for some rows; lengths stay on the processor, where torch packs them."""
        return self.numbers[rows].to(device), self.token_numbers[rows].to(device), self.lengths[rows]


class RecurrentNetwork(nn.Module):
    """The network; it scores what it remembers at the end of a sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.embed_element = nn.Embedding(N_ELEMENTS + 1, ELEMENT_FEATURES, padding_idx=0)
        self.lstm = nn.LSTM(
            ELEMENT_FEATURES + N_TOKEN_NUMBERS, HIDDEN_FEATURES, LAYERS, batch_first=True, dropout=DROPOUT
        )
        self.head = nn.Sequential(
            nn.Linear(HIDDEN_FEATURES, HIDDEN_FEATURES),
            nn.SiLU(),
            nn.Dropout(DROPOUT),
            nn.Linear(HIDDEN_FEATURES, 1),
        )

    def forward(
        self, numbers: torch.Tensor, token_numbers: torch.Tensor, lengths: torch.Tensor
    ) -> torch.Tensor:
        """Scaled voltages, shape (B,), of what :class:`Sequences` holds."""
        tokens = torch.cat([self.embed_element(numbers), token_numbers], dim=2)
        packed = pack_padded_sequence(tokens, lengths, batch_first=True, enforce_sorted=False)
        _, (hidden, _) = self.lstm(packed)
        return self.head(hidden[-1]).squeeze(1)


def predict(
    pairs: Pairs,
    targets_V: np.ndarray,
    training_rows: np.ndarray,
    held_out_rows: np.ndarray,
    seed: int,
    schedule: Schedule = SCHEDULE,
) -> np.ndarray:
    """Volts of the held-out rows by a network trained on the training rows.

    Parameters
    ----------
    targets_V : in V, shape (S,); those outside ``training_rows`` are never read.
    seed : of the initial weights, of dropout and of the order of the batches.
    """
    sequences = Sequences.of(pairs)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = RecurrentNetwork()
    mean_V, scale_V = fit(network, sequences.batch, targets_V, training_rows, schedule, seed)
    with torch.no_grad():
        outputs = network(*sequences.batch(held_out_rows, torch.device("cpu")))
    return outputs.double().numpy() * scale_V + mean_V
