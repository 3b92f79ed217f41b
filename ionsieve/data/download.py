"""Files over HTTP: whole ones that resume and are checked, and large ones of which parts are read.

What may pass (a busy server, a broken connection) is tried again. A download that brings some bytes before
it breaks starts its patience anew, so a file of many GB survives any number of breaks; and since the part
that came is kept with the ETag it belongs to, so does a killed run. Addresses are shown in messages without
user, password and query, which may be secrets.
"""

import base64
import hashlib
import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import requests
from requests import Response, Session

from ionsieve.artifacts import read_json, write_json
from ionsieve.data.network import MayPass, SourceError, patiently
from ionsieve.errors import DataError

logger = logging.getLogger(__name__)

TIMEOUT_S = (20.0, 60.0)  # to connect; between two packets
BLOCK_BYTES = 1 << 16  # a break loses less than one block
# A longer read comes in several requests, so that a broken one costs seconds.
LONGEST_RANGE_BYTES = 8 << 20
BUSY = {408, 425, 429, 500, 502, 503, 504}
RANGE_NOT_SATISFIABLE = 416
SAY_AGAIN = "run the same command again: it goes on where it stopped"


class _Refused(SourceError):
    """An answer 4xx that waiting does not mend."""


class _Changed(SourceError):
    """The file is not the version that earlier answers were of."""


@dataclass(frozen=True)
class RemoteIdentity:
    """What tells one version of a remote file from another.

    Attributes
    ----------
    size_bytes : its size.
    etag : the server's name for this version, quotes included; None where it gives none.
    md5 : hexadecimal digest, where the server publishes it (Google storage: x-goog-hash; Content-MD5).
    """

    size_bytes: int
    etag: str | None
    md5: str | None

    def same_version(self, other: "RemoteIdentity") -> bool:
        """Whether both describe the same bytes, as far as every answer tells (not all carry the md5)."""
        return (self.size_bytes, self.etag) == (other.size_bytes, other.etag)


def identity(url: str) -> RemoteIdentity:
    """Identity of a remote file, without its content.

    Raises
    ------
    SourceError : the server cannot be reached, refuses, or does not tell the size.
    """
    with Session() as session:
        return patiently(lambda: _identity(session, url))


def download(url: str, path: Path) -> RemoteIdentity:
    """Fetch a whole file; ``path`` is there only when it is complete and its size and md5 are checked.

    What has come lies in ``path`` + ".part" until then, its identity in ``path`` + ".part.json"; the next
    call goes on from there as long as the server still has that version.

    Raises
    ------
    SourceError : the server cannot be reached, refuses, or what came is damaged (it is then removed).
    DataError : the disk takes no more; what has come is kept.
    """
    part, note = path.with_name(f"{path.name}.part"), path.with_name(f"{path.name}.part.json")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with Session() as session:
            arrived = None
            while arrived is None:
                arrived = patiently(lambda: _go_on(session, url, part, note))
        _check_content(url, arrived, part, note)
        part.replace(path)
        note.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(
            f"{path} cannot be written: {error.strerror or error}; make room or mend the folder's rights, "
            f"then {SAY_AGAIN}"
        ) from error
    return arrived


def shown(url: str) -> str:
    """An address as messages show it: without user, password and query, which may be secrets."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


class RemoteFile(io.RawIOBase):
    """A remote file to be read in parts: read-only, seekable, one range request per read.

    Wrap it in :class:`io.BufferedReader`, whose buffer is then the size of a request.

    Parameters
    ----------
    url : http or https address.
    expected : the version to be read, from :func:`identity`; every answer must belong to it.

    Raises
    ------
    SourceError : while reading: the server cannot be reached or refuses, knows no range requests, or has
        another version of the file by now.
    """

    def __init__(self, url: str, expected: RemoteIdentity) -> None:
        super().__init__()
        self._url = url
        self._expected = expected
        self._session = Session()
        self._position = 0

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """Position in bytes from the start."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move, without a request; returns the new position."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._expected.size_bytes}[whence]
        if origin + offset < 0:
            raise OSError(f"position {origin + offset} is before the start")  # as for any file
        self._position = origin + offset
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill ``buffer``, or its first :data:`LONGEST_RANGE_BYTES`; returns how many bytes, 0 at the end."""
        stop = min(self._position + min(len(buffer), LONGEST_RANGE_BYTES), self._expected.size_bytes)
        if stop <= self._position:
            return 0
        content = patiently(lambda: self._range(self._position, stop))
        buffer[: len(content)] = content
        self._position = stop
        return len(content)

    def close(self) -> None:
        """Close the connection."""
        self._session.close()
        super().close()

    def _range(self, start: int, stop: int) -> bytes:
        with _answer(self._session, "GET", self._url, {"Range": f"bytes={start}-{stop - 1}"}) as response:
            if response.status_code == requests.codes.ok:
                raise SourceError(
                    f"{shown(self._url)}: its server knows no range requests, so no part of the file can be "
                    "read alone; download the file and give its folder as location"
                )
            if not _identity_of(response, self._url).same_version(self._expected):
                raise _Changed(
                    f"{shown(self._url)} has changed while it was being read; run the same command again "
                    "to read the new version"
                )
            content = response.content
        if len(content) != stop - start:
            raise MayPass(f"{shown(self._url)}: {len(content)} bytes came instead of {stop - start}")
        return content


def _identity(session: Session, url: str) -> RemoteIdentity:
    try:
        with _answer(session, "HEAD", url) as response:
            return _identity_of(response, url)
    except _Refused:  # addresses that redirect to signed ones (figshare's) are signed for GET alone
        with _answer(session, "GET", url) as response:
            return _identity_of(response, url)


def _go_on(session: Session, url: str, part: Path, note: Path) -> RemoteIdentity | None:
    """Ask once for what is missing of ``part``; the file's identity, or None if only some of it came."""
    before = _size_bytes(part)
    try:
        return _append(session, url, part, note)
    except _Changed as change:
        note.unlink(missing_ok=True)
        raise MayPass(f"{shown(url)} has changed since its download began; it starts anew") from change
    except MayPass as failure:
        came = _size_bytes(part) - before
        if came <= 0:
            raise
        logger.warning("%s (%d bytes came; going on)", failure, came)
        return None


def _append(session: Session, url: str, part: Path, note: Path) -> RemoteIdentity:
    kept = RemoteIdentity(**read_json(note)) if note.exists() and part.exists() else None
    # At least one byte is asked for, so that even a complete part is compared with what the server has.
    start = max(0, min(_size_bytes(part), kept.size_bytes - 1)) if kept else 0
    headers = {"Range": f"bytes={start}-", "If-Range": kept.etag} if kept and kept.etag and start else {}
    with _answer(session, "GET", url, headers) as response:
        now = _identity_of(response, url)
        if kept and response.status_code == requests.codes.partial_content:
            if not now.same_version(kept):
                raise _Changed(shown(url))
            with part.open("r+b") as file:
                file.seek(start)
                file.truncate()
                _write(response, file)
            return kept  # and not now: the first answer alone is sure to carry the md5
        note.unlink(missing_ok=True)
        with part.open("wb") as file:
            # A weak ETag does not promise the same bytes: such a file is fetched in one go.
            if now.etag and not now.etag.startswith("W/"):
                write_json(note, asdict(now))
            _write(response, file)
        return now


def _write(response: Response, file: BinaryIO) -> None:
    for block in response.iter_content(BLOCK_BYTES):
        file.write(block)


def _check_content(url: str, arrived: RemoteIdentity, part: Path, note: Path) -> None:
    size_bytes = _size_bytes(part)
    wrong = f"{size_bytes} bytes instead of {arrived.size_bytes}" if size_bytes != arrived.size_bytes else ""
    if not wrong and arrived.md5:
        with part.open("rb") as file:
            md5 = hashlib.file_digest(file, "md5").hexdigest()
        if md5 != arrived.md5:
            wrong = f"checksum {md5} instead of {arrived.md5}"
    if wrong:
        part.unlink()
        note.unlink(missing_ok=True)
        raise SourceError(
            f"{shown(url)} arrived damaged ({wrong}) and was removed; run the same command again"
        )


@contextmanager
def _answer(
    session: Session, method: str, url: str, headers: dict[str, str] | None = None
) -> Iterator[Response]:
    """A good answer whose body is still to be read; what fails meanwhile is told as SourceError, MayPass."""
    # Compressed on the way, sizes and ranges would not be those of the file.
    headers = {"Accept-Encoding": "identity", **(headers or {})}
    try:
        with session.request(
            method, url, headers=headers, stream=True, timeout=TIMEOUT_S, allow_redirects=True
        ) as response:
            _check_status(response, url)
            yield response
    except requests.exceptions.SSLError as error:
        raise SourceError(
            f"{shown(url)}: its certificate is not accepted ({_cause(error)}); mend the address or "
            "this machine's certificates (REQUESTS_CA_BUNDLE)"
        ) from error
    except (
        requests.ConnectionError,
        requests.Timeout,
        requests.exceptions.ChunkedEncodingError,
    ) as error:
        raise MayPass(
            f"{shown(url)}: {_cause(error)}; see that this machine reaches it, then {SAY_AGAIN}"
        ) from error
    except requests.RequestException as error:
        raise SourceError(f"{shown(url)} cannot be fetched: {_cause(error)}; mend the address") from error


def _check_status(response: Response, url: str) -> None:
    status = f"{response.status_code} {response.reason}"
    if response.status_code in BUSY:
        raise MayPass(f"{shown(url)} answers {status}; when the server is well again, {SAY_AGAIN}")
    if response.status_code == RANGE_NOT_SATISFIABLE:
        raise _Changed(f"{shown(url)} is shorter than it was ({status}); run the same command again")
    if not response.ok:
        raise _Refused(f"{shown(url)} answers {status}; see that the address is right and open to you")


def _identity_of(response: Response, url: str) -> RemoteIdentity:
    partial = response.status_code == requests.codes.partial_content
    # Content-Range: bytes 0-99/1234
    size = (
        response.headers.get("Content-Range", "").rpartition("/")[2]
        if partial
        else response.headers.get("Content-Length", "")
    )
    if not size.isdecimal():
        raise SourceError(
            f"{shown(url)}: its server does not tell the size, so nothing that comes could be checked; "
            "download the file by other means and give its path or folder"
        )
    # The Content-MD5 of a partial answer is that of the part.
    published = None if partial else response.headers.get("Content-MD5")
    for entry in response.headers.get("x-goog-hash", "").split(","):
        name, _, value = entry.strip().partition("=")
        if name == "md5":
            published = value
    md5 = base64.b64decode(published).hex() if published else None
    return RemoteIdentity(int(size), response.headers.get("ETag"), md5)


def _cause(error: BaseException) -> str:
    """What the operating system said, or the kind of error: the libraries' own texts hold whole addresses."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, requests.Timeout):
        return f"no answer within {TIMEOUT_S[1]:.0f} s"
    if isinstance(error, (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        return "the connection broke off"
    return type(error).__name__


def _size_bytes(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
