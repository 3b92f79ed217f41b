"""One file, two files: nouns in messages."""


def noun(count: int, one: str, several: str | None = None) -> str:
    """The noun as it stands behind a count: ``one``, else ``several`` (by default with an s)."""
    return one if count == 1 else several or f"{one}s"
