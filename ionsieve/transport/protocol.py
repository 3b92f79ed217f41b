"""How a simulation is run: lengths, temperature, couplings, limits."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How a simulation is run; units in the names."""

    temperature_K: float
    timestep_fs: float
    npt_ps: float
    nvt_ps: float
    thermostat_fs: float
    barostat_fs: float
    npt_cell: Literal["isotropic", "full"]
    pressure_GPa: float
    frame_interval_fs: float
    max_temperature_factor: float
    max_volume_change: float
    max_shape_change: float
    min_distance_A: float

    @property
    def steps_per_frame(self) -> int:
        """Integration steps from one stored frame to the next."""
        return max(1, round(self.frame_interval_fs / self.timestep_fs))

    def frames(self, length_ps: float) -> int:
        """Stored frames in a length of time, at least one."""
        return max(1, round(length_ps * 1000 / (self.timestep_fs * self.steps_per_frame)))

    def steps(self, length_ps: float) -> int:
        """Integration steps of a stage, a whole number of frames."""
        return self.frames(length_ps) * self.steps_per_frame
