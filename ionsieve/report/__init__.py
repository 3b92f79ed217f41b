"""The report: one self-contained HTML page from whatever a run has written.

``sources`` reads the files, each module of ``sections`` says what stands in one section of the page,
``figures`` and ``crystal`` draw, ``wording`` puts numbers into words and cells, ``page`` fills the templates.
Nothing here computes a result.
"""
