"""IonSieve screens crystal databases for intercalation cathodes."""

__version__ = "0.1.0"
