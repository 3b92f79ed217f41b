"""First-principles validation: a finalist's crystal becomes VASP inputs, an atomate2 flow, a voltage.

``vasp`` holds the settings (PBE+U, D3, the paper's cutoffs), ``pair`` the three cells behind a
voltage, ``flow`` the jobflow flow, and ``bundle`` the zip that a user submits. ``vasp_run`` runs a relaxation
where VASP is, and ``vasp_result`` reads it. ``gpaw_static`` is a free DFT, ``dispersion`` takes the voltages
of both with D3 and without, and ``aimd`` is ab initio MD: inputs, and results that are put back.
"""
