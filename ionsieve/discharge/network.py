"""DRXNet: the capacity of a cathode from its composition, rate, cycle, voltage window and voltage.

Zhong et al., "Deep learning of experimental electrochemistry for battery cathodes across diverse
compositions" (2024), arXiv 2304.04986. Three parts:

* The composition network (Roost, Goodall and Lee, Nat. Commun. 11, 6280 (2020)): cations are the nodes of a
  complete graph, ``h_i <- h_i + mean_m sum_j a_ij c(h_i | h_j)`` with ``a_ij = w_j exp(e_ij) / sum_k w_k
  exp(e_ik)``, ``m`` the heads and ``w`` the amounts; a pool of the same form gives ``X_comp``.
* The condition network: ``X_O1 = X_comp + gate(X_comp | X_rate)`` for the first cycle and ``X_ON = X_O1 +
  gate(X_O1 | X_cycle) * W_n (N - 1)`` for cycle N, with ``gate(x) = sigmoid(norm L x) SiLU(norm L x)``.
* The state network: ``Z_0 = L s[L(V_low, V_high) + L(V)]``, ``Z = softplus L(Z_0 + X)``, ``Q = softplus L
  softplus L(Z)``; dQ/dV is its derivative.

What is printed and what was released differ; :class:`Settings` holds each difference, and each improvement of
ours, as one switch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import nn

from ionsieve.discharge.compositions import ANIONS_PER_FORMULA, Cathode, element_vectors, parse_cathode

VECTOR_LENGTH = 200
# Keeps a sum of weights from being zero, as Roost does.
_SMALLEST_SUM = 1e-10
# Where the logarithm of the rate is zero, in mA/g.
_MIDDLE_RATE_mA_PER_G = 100.0
# Where redox steps start out, in V, and how wide they are; that of most cathodes and tests.
_STEPS_FROM_V, _STEPS_TO_V, _STEP_WIDTH_V, _SMALLEST_WIDTH_V = 1.0, 5.0, 0.2, 0.02
# So that an untrained network answers with capacities of the right order.
_CAPACITY_OF_STEP_mAh_PER_G = 10.0
_CAPACITY_PER_VOLT_mAh_PER_G = 100.0


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a network reads and how it is built; the defaults are the released implementation.

    Attributes
    ----------
    normalised_amounts : amounts are those per two anions, so that formulas of one composition are one; else
        as written. The weight of a cation is half its amount, c_F = 1 - O / 2 is the share of fluorine.
    fluorine_on : who gets the mean field c_F h_F: every cation (released), or lithium alone (printed).
    message_features : hidden features of the networks of messages and attention; 0: one layer and SiLU
        (printed).
    hidden_encoders : rate and cycle are read by two layers (released); else by one and SiLU (printed).
    batch_norm_encoders, batch_norm_gates : batch norm after the first layer of these.
    log_rate : the rate enters as log10(rate / 100 mA/g); else in mA/g.
    cycle_unit : cycles that count as 1 wherever a cycle enters.
    cycle_in_gate : the gate of the fade reads X_cycle, as printed and released; else not, so that
        X_ON - X_O1 is strictly linear in N - 1.
    window_activation : s, in Z_0.
    zero_at_v_high : Q(V_high) = 0 by construction.
    monotone : Q falls with V by construction, as a sum of ``redox_steps`` sigmoids of positive height whose
        heights, places and widths follow from Z; V does not enter Z then.
    node_features, window_features, rate_features, cycle_features, layers, heads, redox_steps : sizes.
    """

    normalised_amounts: bool = False
    fluorine_on: Literal["cations", "lithium"] = "cations"
    message_features: int = 64
    hidden_encoders: bool = True
    batch_norm_encoders: bool = True
    batch_norm_gates: bool = True
    log_rate: bool = False
    cycle_unit: float = 1.0
    cycle_in_gate: bool = True
    window_activation: Literal["silu", "softplus"] = "silu"
    zero_at_v_high: bool = False
    monotone: bool = False
    node_features: int = 32
    window_features: int = 64
    rate_features: int = 16
    cycle_features: int = 16
    layers: int = 3
    heads: int = 3
    redox_steps: int = 32


PUBLISHED = Settings()
# As the equations are printed. They call the weights fractional, which the released ones are not.
PAPER = Settings(
    normalised_amounts=True,
    fluorine_on="lithium",
    message_features=0,
    hidden_encoders=False,
    batch_norm_encoders=False,
    window_activation="softplus",
)
IONSIEVE = Settings(
    normalised_amounts=True,
    batch_norm_encoders=False,
    batch_norm_gates=False,
    log_rate=True,
    cycle_unit=10.0,
    cycle_in_gate=False,
    zero_at_v_high=True,
    monotone=True,
)
SETTINGS: Mapping[str, Settings] = {"published": PUBLISHED, "paper": PAPER, "ionsieve": IONSIEVE}


def configuration_of(settings: Settings) -> str | None:
    """The name of settings that have one."""
    return next((name for name, named in SETTINGS.items() if named == settings), None)


@dataclass
class Compositions:
    """U compositions with N cations in all and M pairs of cations, as tensors.

    Attributes
    ----------
    vectors : of the cations, the mean field of fluorine included, shape (N, VECTOR_LENGTH).
    weights : of the cations, shape (N,); the derivative of Q by them is what the smoothness term needs.
    fluorine_share : c_F, shape (U,).
    composition_of_node : shape (N,).
    receivers, senders : nodes of each pair within a composition, both orders and oneself, shape (M,).
    """

    vectors: torch.Tensor
    weights: torch.Tensor
    fluorine_share: torch.Tensor
    composition_of_node: torch.Tensor
    receivers: torch.Tensor
    senders: torch.Tensor

    def __len__(self) -> int:
        return len(self.fluorine_share)

    @classmethod
    def of(cls, formulas: Sequence[str], settings: Settings) -> "Compositions":
        """The compositions of some formulas, one each, in their order.

        Raises
        ------
        FormulaError : what :func:`ionsieve.discharge.compositions.parse_cathode` refuses.
        """
        return cls.of_cathodes([parse_cathode(formula) for formula in formulas], settings)

    @classmethod
    def of_cathodes(cls, cathodes: Sequence[Cathode], settings: Settings) -> "Compositions":
        """The compositions of some cathodes, one each, in their order."""
        known = element_vectors()
        vectors: list[np.ndarray] = []
        weights: list[float] = []
        shares: list[float] = []
        owners: list[int] = []
        receivers: list[np.ndarray] = []
        senders: list[np.ndarray] = []
        for owner, written in enumerate(cathodes):
            cathode = written.per_two_anions() if settings.normalised_amounts else written
            share = (ANIONS_PER_FORMULA - cathode.oxygen) / ANIONS_PER_FORMULA
            first, count = len(weights), len(cathode.cations)
            for symbol in cathode.cations:
                has_field = settings.fluorine_on == "cations" or symbol == "Li"
                vectors.append(known[symbol] + (share * known["F"] if has_field else 0.0))
            weights.extend((cathode.amounts / ANIONS_PER_FORMULA).tolist())
            shares.append(share)
            owners.extend([owner] * count)
            nodes = np.arange(first, first + count)
            receivers.append(np.repeat(nodes, count))
            senders.append(np.tile(nodes, count))
        return cls(
            torch.from_numpy(np.array(vectors).reshape(-1, VECTOR_LENGTH)).float(),
            torch.tensor(weights),
            torch.tensor(shares),
            torch.tensor(owners, dtype=torch.int64),
            torch.from_numpy(np.concatenate([*receivers, np.empty(0, dtype=np.int64)])),
            torch.from_numpy(np.concatenate([*senders, np.empty(0, dtype=np.int64)])),
        )


@dataclass(frozen=True)
class ConditionFeatures:
    """What the condition network makes of a batch, each of shape (B, node_features).

    Attributes
    ----------
    composition : X_comp.
    first_cycle : X_O1.
    cycle : X_ON.
    fade_gate : what W_n (N - 1) is multiplied by.
    """

    composition: torch.Tensor
    first_cycle: torch.Tensor
    cycle: torch.Tensor
    fade_gate: torch.Tensor


class Discharge(nn.Module):
    """The network; all numbers of a batch have the shape (B,), and the units that their names say."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        width = settings.node_features
        self.composition = CompositionNetwork(settings)
        self.rate_encoder = Encoder(settings.rate_features, settings)
        self.rate_gate = Gate(width + settings.rate_features, width, settings.batch_norm_gates)
        cycle_features = settings.cycle_features if settings.cycle_in_gate else 0
        self.cycle_encoder = Encoder(cycle_features, settings) if settings.cycle_in_gate else None
        self.cycle_gate = Gate(width + cycle_features, width, settings.batch_norm_gates)
        self.fade = nn.Linear(1, width, bias=False)
        self.window = nn.Linear(2, settings.window_features)
        self.voltage = None if settings.monotone else nn.Linear(1, settings.window_features)
        self.mix = nn.Linear(settings.window_features, width)
        self.state = nn.Linear(width, width)
        self.hidden = nn.Linear(width, width)
        self.out: nn.Module = (
            RedoxSteps(width, settings.redox_steps) if settings.monotone else nn.Linear(width, 1)
        )

    def forward(
        self,
        compositions: Compositions,
        composition_of_row: torch.Tensor,
        rate_mA_per_g: torch.Tensor,
        cycle: torch.Tensor,
        voltage_low_V: torch.Tensor,
        voltage_high_V: torch.Tensor,
        voltage_V: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Capacities discharged from V_high to V in mAh/g: in this cycle, and in the first at the same V.

        Parameters
        ----------
        composition_of_row : which of the compositions, int64; each is read once, however many rows it has.
        cycle : from 1, as floats.
        """
        features = self.conditions(compositions, composition_of_row, rate_mA_per_g, cycle)
        window = self._window(voltage_low_V, voltage_high_V, voltage_V)
        return (
            self._capacity(window + features.cycle, voltage_high_V, voltage_V),
            self._capacity(window + features.first_cycle, voltage_high_V, voltage_V),
        )

    def conditions(
        self,
        compositions: Compositions,
        composition_of_row: torch.Tensor,
        rate_mA_per_g: torch.Tensor,
        cycle: torch.Tensor,
    ) -> ConditionFeatures:
        """X_comp, X_O1 and X_ON of a batch."""
        settings = self.settings
        composition = self.composition(compositions)[composition_of_row]
        rate = torch.log10(rate_mA_per_g / _MIDDLE_RATE_mA_PER_G) if settings.log_rate else rate_mA_per_g
        first = composition + self.rate_gate(
            torch.cat([composition, self.rate_encoder(rate[:, None])], dim=1)
        )
        if self.cycle_encoder is None:
            fade_gate = self.cycle_gate(first)
        else:
            cycles = self.cycle_encoder(cycle[:, None] / settings.cycle_unit)
            fade_gate = self.cycle_gate(torch.cat([first, cycles], dim=1))
        faded = fade_gate * self.fade((cycle[:, None] - 1.0) / settings.cycle_unit)
        return ConditionFeatures(composition, first, first + faded, fade_gate)

    def _window(
        self, voltage_low_V: torch.Tensor, voltage_high_V: torch.Tensor, voltage_V: torch.Tensor
    ) -> torch.Tensor:
        """Z_0, shape (B, node_features)."""
        read = self.window(torch.stack([voltage_low_V, voltage_high_V], dim=1))
        if self.voltage is not None:
            read = read + self.voltage(voltage_V[:, None])
        activation = (
            nn.functional.silu if self.settings.window_activation == "silu" else nn.functional.softplus
        )
        return self.mix(activation(read))

    def _capacity(
        self, mixed: torch.Tensor, voltage_high_V: torch.Tensor, voltage_V: torch.Tensor
    ) -> torch.Tensor:
        """Q of Z_0 + X, shape (B,)."""
        state = nn.functional.softplus(self.state(mixed))
        state = nn.functional.softplus(self.hidden(state))
        zero_at_high = self.settings.zero_at_v_high
        if self.settings.monotone:
            return self.out(state, voltage_V, voltage_high_V if zero_at_high else None)
        capacity = nn.functional.softplus(self.out(state)).squeeze(1)
        if not zero_at_high:
            return capacity
        return _CAPACITY_PER_VOLT_mAh_PER_G * (voltage_high_V - voltage_V) * capacity


def with_slope(
    network: Discharge,
    compositions: Compositions,
    composition_of_row: torch.Tensor,
    rate_mA_per_g: torch.Tensor,
    cycle: torch.Tensor,
    voltage_low_V: torch.Tensor,
    voltage_high_V: torch.Tensor,
    voltage_V: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Capacity, first capacity in mAh/g and dQ/dV in mAh/g/V, each (B,), by automatic differentiation.

    What training needs, all three to be differentiated once more, is
    :func:`ionsieve.discharge.training.predict_with_graph`.
    """
    voltage_V = voltage_V.detach().requires_grad_()
    with torch.enable_grad():
        capacity, first = network(
            compositions,
            composition_of_row,
            rate_mA_per_g,
            cycle,
            voltage_low_V,
            voltage_high_V,
            voltage_V,
        )
        (slope,) = torch.autograd.grad(capacity.sum(), voltage_V)
    return capacity.detach(), first.detach(), slope


class CompositionNetwork(nn.Module):
    """Roost on the cations; gives X_comp of each composition, shape (U, node_features)."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        width, hidden = settings.node_features, settings.message_features
        # One feature is left for the weight.
        self.embedding = nn.Linear(VECTOR_LENGTH, width - 1)
        self.messages = nn.ModuleList(
            AveragedHeads(settings.heads, 2 * width, width, hidden) for _ in range(settings.layers)
        )
        self.pool = AveragedHeads(settings.heads, width, width, hidden)

    def forward(self, compositions: Compositions) -> torch.Tensor:
        """X_comp."""
        weights, receivers, senders = compositions.weights, compositions.receivers, compositions.senders
        nodes = torch.cat([self.embedding(compositions.vectors), weights[:, None]], dim=1)
        sent = weights[senders]
        for message in self.messages:
            pairs = torch.cat([nodes[receivers], nodes[senders]], dim=1)
            nodes = nodes + message(pairs, sent, receivers, len(nodes))
        return self.pool(nodes, weights, compositions.composition_of_node, len(compositions))


class AveragedHeads(nn.Module):
    """The mean of some heads of :class:`WeightedAttention`, with their arguments."""

    def __init__(self, heads: int, inputs: int, outputs: int, hidden: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(WeightedAttention(inputs, outputs, hidden) for _ in range(heads))

    def forward(
        self, inputs: torch.Tensor, weights: torch.Tensor, groups: torch.Tensor, n_groups: int
    ) -> torch.Tensor:
        """What each group gets, shape (G, outputs)."""
        return torch.stack([head(inputs, weights, groups, n_groups) for head in self.heads]).mean(dim=0)


class WeightedAttention(nn.Module):
    """Weighted softmax attention: sum_j w_j exp(e_j) c_j / sum_k w_k exp(e_k) over each group's inputs."""

    def __init__(self, inputs: int, outputs: int, hidden: int) -> None:
        super().__init__()
        self.gate = _perceptron(inputs, hidden, 1)
        self.message = _perceptron(inputs, hidden, outputs)

    def forward(
        self, inputs: torch.Tensor, weights: torch.Tensor, groups: torch.Tensor, n_groups: int
    ) -> torch.Tensor:
        """What each group gets, (G, outputs), of inputs (M, inputs) with weights (M,) in groups (M,)."""
        logits = self.gate(inputs).squeeze(1)
        # No derivative: the largest cancels.
        largest = torch.full((n_groups,), -torch.inf, dtype=logits.dtype).scatter_reduce(
            0, groups, logits.detach(), "amax"
        )
        attention = weights * torch.exp(logits - largest[groups])
        total = torch.zeros(n_groups, dtype=logits.dtype).index_add(0, groups, attention)
        attention = attention / (total[groups] + _SMALLEST_SUM)
        messages = attention[:, None] * self.message(inputs)
        return messages.new_zeros(n_groups, messages.shape[1]).index_add(0, groups, messages)


class Encoder(nn.Module):
    """One number as features, (B, 1) to (B, outputs): two layers, or one and SiLU."""

    def __init__(self, outputs: int, settings: Settings) -> None:
        super().__init__()
        hidden = 2 * outputs if settings.hidden_encoders else outputs
        self.hidden = nn.Linear(1, hidden)
        self.norm = nn.BatchNorm1d(hidden) if settings.batch_norm_encoders else nn.Identity()
        self.out = nn.Linear(hidden, outputs) if settings.hidden_encoders else nn.Identity()

    def forward(self, number: torch.Tensor) -> torch.Tensor:
        """The features."""
        return self.out(nn.functional.silu(self.norm(self.hidden(number))))


class Gate(nn.Module):
    """sigmoid(norm L x) SiLU(norm L x), (B, inputs) to (B, outputs); the sigmoid is one number a row."""

    def __init__(self, inputs: int, outputs: int, batch_norm: bool) -> None:
        super().__init__()
        self.value = nn.Linear(inputs, outputs)
        self.gate = nn.Linear(inputs, 1)
        self.value_norm = nn.BatchNorm1d(outputs) if batch_norm else nn.Identity()
        self.gate_norm = nn.BatchNorm1d(1) if batch_norm else nn.Identity()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """The gated values."""
        gate = torch.sigmoid(self.gate_norm(self.gate(inputs)))
        return gate * nn.functional.silu(self.value_norm(self.value(inputs)))


class RedoxSteps(nn.Module):
    """Q(V) = sum_k A_k [s((m_k - V) / w_k) - s((m_k - V_high) / w_k)], A_k, w_k > 0, s the logistic function.

    Heights A_k, places m_k and widths w_k follow from the state, so that dQ/dV < 0 whatever the weights are.
    """

    middles_V: torch.Tensor

    def __init__(self, inputs: int, steps: int) -> None:
        super().__init__()
        self.register_buffer("middles_V", torch.linspace(_STEPS_FROM_V, _STEPS_TO_V, steps))
        self.heights = nn.Linear(inputs, steps)
        self.shifts = nn.Linear(inputs, steps)
        self.widths = nn.Linear(inputs, steps)

    def forward(
        self, state: torch.Tensor, voltage_V: torch.Tensor, zero_at_V: torch.Tensor | None
    ) -> torch.Tensor:
        """Q of B states at their voltages, shape (B,); without ``zero_at_V`` nothing is subtracted."""
        heights = _CAPACITY_OF_STEP_mAh_PER_G * nn.functional.softplus(self.heights(state))
        middles_V = self.middles_V + torch.tanh(self.shifts(state))
        # exp is bounded, so that no width becomes infinite.
        widths_V = _SMALLEST_WIDTH_V + _STEP_WIDTH_V * torch.exp(2.0 * torch.tanh(self.widths(state)))
        done = torch.sigmoid((middles_V - voltage_V[:, None]) / widths_V)
        if zero_at_V is not None:
            done = done - torch.sigmoid((middles_V - zero_at_V[:, None]) / widths_V)
        return (heights * done).sum(dim=1)


def _perceptron(inputs: int, hidden: int, outputs: int) -> nn.Module:
    """Linear, SiLU, linear; without hidden features linear and SiLU."""
    if hidden:
        return nn.Sequential(nn.Linear(inputs, hidden), nn.SiLU(), nn.Linear(hidden, outputs))
    return nn.Sequential(nn.Linear(inputs, outputs), nn.SiLU())
