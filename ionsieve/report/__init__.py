"""The report: one self-contained HTML page from whatever a run has written.

``sources`` reads the files, ``figures`` draws, ``wording`` puts numbers into words and cells, ``page``
fills the template. Nothing here computes a result.
"""
