"""Who judges a potential in refinement.

The rules ask while Snakemake reads them, so nothing heavy is imported.
"""

MEMBERS = (1, 2)  # networks beside the potential itself; the number is added to the seed
