"""A test double of licensed POTCARs: files of their shape and layout without any potential in them."""

import gzip
from pathlib import Path

# Symbol in the Materials Project's PBE set: valence electrons.
VALENCE = {"Mg_pv": 8, "Mn_pv": 13, "O": 6, "Ti_pv": 10, "S": 6}

TEMPLATE = """\
  PAW_PBE {symbol} 01Jan2000
  {valence:.12f}
 parameters from PSCTR are:
   VRHFIN ={element}: none
   LEXCH  = PE
   EATOM  =    10.0000 eV,    1.0000 Ry

   TITEL  = PAW_PBE {symbol} 01Jan2000
   LULTRA =        F    use ultrasoft PP ?
   IUNSCR =        1    unscreen: 0-lin 1-nonlin 2-no
   RPACOR =    1.000    partial core radius
   POMASS =   10.000; ZVAL   =   {valence:.3f}    mass and valenz
   RCORE  =    1.500    outmost cutoff radius
   RWIGS  =    1.500; RWIGS  =    0.750    wigner-seitz radius (au A)
   ENMAX  =  400.000; ENMIN  =  300.000 eV
   ICORE  =        2    local potential
   LCOR   =        T    correct aug charges
   LPAW   =        T    paw PP
   EAUG   =  600.000
   DEXC   =    0.000
   RMAX   =    1.500    core radius for proj-oper
   RAUG   =    1.300    factor for augmentation sphere
   RDEP   =    1.500    radius for radial grids
   RDEPT  =    1.300    core radius for aug-charge

 END of PSCTR-controll parameters
 local part
   1.0 2.0 3.0
 End of Dataset
"""


def write_placeholders(folder: Path) -> None:
    """Write one file per symbol to ``folder``, which serves as PMG_VASP_PSP_DIR."""
    place = folder / "POT_GGA_PAW_PBE"
    place.mkdir(parents=True)
    for symbol, valence in VALENCE.items():
        text = TEMPLATE.format(symbol=symbol, valence=valence, element=symbol.split("_")[0])
        with gzip.open(place / f"POTCAR.{symbol}.gz", "wt") as handle:
            handle.write(text)
