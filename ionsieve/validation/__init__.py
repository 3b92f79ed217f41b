"""First-principles validation: a finalist's crystal becomes an atomate2 flow with its VASP inputs.

``vasp`` holds the settings (PBE+U, D3, the paper's cutoffs), ``pair`` the three cells behind a
voltage, ``flow`` the jobflow flow, and ``bundle`` the zip that a user submits. VASP is never run here.
"""
