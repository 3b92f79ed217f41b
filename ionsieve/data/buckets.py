"""Which bucket an id falls in. Light: every start of Snakemake asks."""

import hashlib

_HASH_BYTES = 8


def hash_of(key: str, n: int) -> int:
    """SHA-256 of a key, modulo ``n``: the same on every machine and in every process."""
    head = hashlib.sha256(key.encode()).digest()[:_HASH_BYTES]
    return int.from_bytes(head, "big") % n


def bucket_of(material_id: str, n_buckets: int) -> int:
    """Bucket of a candidate: a hash of its id alone."""
    return hash_of(material_id, n_buckets)


def bucket_name(bucket: int) -> str:
    """File stem of a bucket, sorted as numbers are."""
    return f"{bucket:04d}"
