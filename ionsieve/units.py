"""Physical constants and unit conversions; the one place for both.

CODATA 2018 values, the ones behind the SI of 2019. Unit names follow the column suffixes of
:mod:`ionsieve.tables`.
"""

ELEMENTARY_CHARGE_C = 1.602176634e-19
AVOGADRO_PER_MOL = 6.02214076e23
FARADAY_C_PER_MOL = ELEMENTARY_CHARGE_C * AVOGADRO_PER_MOL  # 96485.332
BOLTZMANN_J_PER_K = 1.380649e-23
BOLTZMANN_EV_PER_K = BOLTZMANN_J_PER_K / ELEMENTARY_CHARGE_C

COULOMB_PER_MILLIAMPERE_HOUR = 3.6
A3_PER_L = 1e27
CM3_PER_A3 = 1e-24
CM2_PER_S_PER_A2_PER_PS = 1e-4  # 1 A^2/ps = 1e-16 cm^2 / 1e-12 s
MS_PER_CM_PER_S_PER_CM = 1e3

# Charge density of one elementary charge per cubic angstrom, in Ah/L.
AH_PER_L_PER_ELEMENTARY_CHARGE_PER_A3 = ELEMENTARY_CHARGE_C * A3_PER_L / 3600.0  # 44504.9

EV_PER_A3_PER_KBAR = 1.0 / 1602.176634
