"""Ion transport: supercell, molecular dynamics, mean squared displacement, conductivity, Arrhenius."""
