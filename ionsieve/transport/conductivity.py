"""Ionic conductivity from the tracer diffusivity (Nernst-Einstein, Haven ratio 1).

sigma = N (z e)^2 D / (V k_B T)
"""

from ionsieve.units import (
    BOLTZMANN_J_PER_K,
    CM3_PER_A3,
    ELEMENTARY_CHARGE_C,
    MS_PER_CM_PER_S_PER_CM,
)


def conductivity_mS_per_cm(
    diffusivity_cm2_per_s: float, n_ions: int, volume_A3: float, charge: int, temperature_K: float
) -> float:
    """Conductivity of ``n_ions`` mobile ions of charge number ``charge`` in a volume."""
    density_per_cm3 = n_ions / (volume_A3 * CM3_PER_A3)
    thermal_energy_J = BOLTZMANN_J_PER_K * temperature_K
    sigma_S_per_cm = (
        density_per_cm3 * (charge * ELEMENTARY_CHARGE_C) ** 2 * diffusivity_cm2_per_s / thermal_energy_J
    )
    return sigma_S_per_cm * MS_PER_CM_PER_S_PER_CM
