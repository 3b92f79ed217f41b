"""Version of each stage's algorithm; a param of its rules.

Snakemake does not see edits of the library. Raise a stage's number when its results change: that
stage and what follows rerun, the stages before it do not.
"""

DATA = 2
VOLTAGE = 2
SCREEN = 1
COMPOSITION = 1
DISCHARGE = 2
POTENTIAL = 3
TRANSPORT = 3
VALIDATION = 2
UNIVERSAL_POTENTIAL = 2
HULL = 1
REPORT = 8
