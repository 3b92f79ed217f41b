"""From how many steps of MD on a compiled potential pays.

The rules ask while Snakemake reads them, so nothing heavy is imported here.
"""

# CPU seconds on one core with the preset `small`, by benchmarks/potential_speed.py: what compiling costs, and
# what a compiled step saves, at 32 to 500 atoms. Larger networks cost as much to compile and save more.
COMPILING_S = 80.0
SAVED_PER_STEP_S, SAVED_PER_ATOM_AND_STEP_S = 8e-3, 5.5e-5


def compiling_pays(duration_ps: float, timestep_fs: float, n_atoms: int) -> bool:
    """Whether one run of MD saves more than compiling costs; further runs with the potential are a bonus."""
    n_steps = 1000 * duration_ps / timestep_fs
    return n_steps * (SAVED_PER_STEP_S + SAVED_PER_ATOM_AND_STEP_S * n_atoms) > COMPILING_S
