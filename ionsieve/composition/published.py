"""What the MHA-ResNet paper's supplement states, to stand beside what is measured here.

"Deep learning prediction of electrode voltage for metal-ions batteries", tables S1 to S4. Values are as
printed: the tables contradict each other (see docs/leakage_audit.md).
"""

from dataclasses import dataclass
from typing import NamedTuple


class PublishedElectrode(NamedTuple):
    """A row of table S1: formulas, ion, the voltage by DFT and the paper's prediction, in V."""

    charged: str
    discharged: str
    working_ion: str
    dft_V: float
    predicted_V: float


# A high-voltage tail with repeated pairs, not a random sample.
TABLE_S1 = (
    PublishedElectrode("FePO4F", "LiFePO4F", "Li", 6.83, 6.61),
    PublishedElectrode("Co3(P2O7)2", "Li2Co3(P2O7)2", "Li", 6.35, 6.34),
    PublishedElectrode("V4OF11", "LiV4OF11", "Li", 6.39, 6.28),
    PublishedElectrode("Cr(PO3)4", "LiCr(PO3)4", "Li", 5.97, 5.92),
    PublishedElectrode("Co(CO3)2", "Li2Co(CO3)2", "Li", 5.87, 5.87),
    PublishedElectrode("NiF3", "LiNiF3", "Li", 5.91, 5.84),
    PublishedElectrode("CrF6", "Cs2CrF6", "Cs", 5.87, 5.78),
    PublishedElectrode("MnF4", "LiMnF4", "Li", 5.61, 5.69),
    PublishedElectrode("Cr(NO3)5", "Cs2Cr(NO3)5", "Cs", 5.64, 5.66),
    PublishedElectrode("Cu(PO3)3", "LiCu(PO3)3", "Li", 5.62, 5.61),
    PublishedElectrode("CrP2O7", "LiCrP2O7", "Li", 5.51, 5.48),
    PublishedElectrode("Mn(PO3)5", "Na2Mn(PO3)5", "Na", 5.52, 5.46),
    PublishedElectrode("CrF6", "Rb3CrF6", "Rb", 5.43, 5.38),
    PublishedElectrode("Cr(SO4)2", "LiCr(SO4)2", "Li", 5.37, 5.36),
    PublishedElectrode("V(PO3)5", "Li2V(PO3)5", "Li", 5.37, 5.36),
    PublishedElectrode("Ni2(PO3)5", "LiNi2(PO3)5", "Li", 5.44, 5.32),
    PublishedElectrode("Fe(PO3)4", "LiFe(PO3)4", "Li", 5.37, 5.32),
    PublishedElectrode("Ni2P2O9", "LiNi2P2O9", "Li", 5.27, 5.21),
    PublishedElectrode("Cr(PO3)4", "LiCr(PO3)4", "Li", 5.23, 5.18),
    PublishedElectrode("Cu(PO3)3", "NaCu(PO3)3", "Na", 5.16, 5.12),
    PublishedElectrode("Mn(SO4)2", "LiMn(SO4)2", "Li", 5.11, 5.11),
    PublishedElectrode("NiPO4", "LiNiPO4", "Li", 5.07, 5.09),
    PublishedElectrode("Ni2P5O16", "Li3Ni2P5O16", "Li", 5.07, 5.08),
    PublishedElectrode("FeP2O7", "LiFeP2O7", "Li", 5.05, 5.05),
    PublishedElectrode("CrP2O7", "LiCrP2O7", "Li", 5.03, 5.02),
    PublishedElectrode("CoH8(SO6)2", "Na2CoH8(SO6)2", "Na", 5.00, 5.01),
)


@dataclass(frozen=True)
class PublishedScores:
    """Errors as printed: MAE and RMSE in V, R2; None where the table leaves a cell empty."""

    mae_V: float
    rmse_V: float | None = None
    r2: float | None = None

    @property
    def implied_spread_V(self) -> float | None:
        """Standard deviation of the labels that RMSE and R2 imply together: RMSE / sqrt(1 - R2)."""
        if self.rmse_V is None or self.r2 is None:
            return None
        return self.rmse_V / (1.0 - self.r2) ** 0.5


# By the name of the experiment that redoes the row.
TABLE_S2 = {
    "mha_resnet_leak": PublishedScores(0.04, 0.07, 0.997),
    "mlp1": PublishedScores(0.41, 0.63, 0.902),
    "mlp2": PublishedScores(0.20, 0.32, 0.978),
    "dnn": PublishedScores(0.35),
    "svr": PublishedScores(0.64, 0.67, 0.653),
    "krr": PublishedScores(0.72, 0.81, 0.583),
    "lstm": PublishedScores(0.10, 0.16, 0.945),
}
# By the most training rows in an interval of voltage, whose width the paper does not state; None: all.
TABLE_S3 = {
    None: PublishedScores(0.04, 0.07, 0.997),
    200: PublishedScores(0.10, 0.15, 0.989),
    150: PublishedScores(0.11, 0.20, 0.980),
    100: PublishedScores(0.12, 0.24, 0.973),
    50: PublishedScores(0.21, 0.28, 0.963),
}
TABLE_S4 = {
    "Li": PublishedScores(0.13, 0.15, 0.985),
    "Na": PublishedScores(0.19, 0.24, 0.942),
    "K": PublishedScores(0.22, 0.26, 0.940),
    "Ca": PublishedScores(0.18, 0.29, 0.950),
    "Zn": PublishedScores(0.06, 0.08, 0.994),
    "Mg": PublishedScores(0.08, 0.13, 0.983),
    "Y": PublishedScores(0.13, 0.14, 0.967),
}
