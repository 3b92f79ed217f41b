"""Downloads resume where they broke, come whole or not at all, and tell what to do when they cannot."""

import hashlib
import io
import math
import random
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from servers.bucket import Bucket

from ionsieve.data import network
from ionsieve.data.download import RemoteFile, RemoteIdentity, download, identity
from ionsieve.data.network import SourceError

CONTENT = random.Random(0).randbytes(1_000_000)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(network, "FIRST_WAIT_S", 0.001)


@pytest.fixture
def bucket(tmp_path):
    folder = tmp_path / "bucket"
    folder.mkdir()
    (folder / "data.bin").write_bytes(CONTENT)
    with Bucket(folder) as server:
        server.data = f"{server.url}/data.bin"
        yield server


@pytest.fixture
def target(tmp_path) -> Path:
    return tmp_path / "cache" / "data.bin"


def _md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def test_identity_is_size_etag_and_published_md5_without_any_content(bucket):
    assert identity(bucket.data) == RemoteIdentity(len(CONTENT), f'"{_md5(CONTENT)}"', _md5(CONTENT))
    assert [entry.method for entry in bucket.requests] == ["HEAD"]


def test_identity_of_an_address_that_is_open_for_get_alone(bucket):
    bucket.fault("no-head", math.inf)
    assert identity(bucket.data).md5 == _md5(CONTENT)


def test_a_download_is_the_file_and_leaves_nothing_beside_it(bucket, target):
    assert download(bucket.data, target) == identity(bucket.data)
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]


def test_an_empty_file_can_be_downloaded(bucket, target):
    (bucket.folder / "data.bin").write_bytes(b"")
    assert download(bucket.data, target).size_bytes == 0
    assert target.read_bytes() == b""


@pytest.mark.parametrize("kind", ["503", "429", "refuse"])
def test_a_failure_that_passes_is_not_noticed(bucket, target, kind):
    bucket.fault(kind, times=2)
    download(bucket.data, target)
    assert target.read_bytes() == CONTENT
    assert len(bucket.requests) == 3


@pytest.mark.parametrize(
    ("kind", "said"), [("503", "503 Service Unavailable"), ("refuse", "broke off|[Cc]onnection reset")]
)
def test_a_failure_that_stays_is_told_with_its_remedy_after_a_few_attempts(bucket, target, kind, said):
    bucket.fault(kind, math.inf)
    with pytest.raises(SourceError, match=rf"/data.bin.*({said}).*run the same command again"):
        download(bucket.data, target)
    assert len(bucket.requests) == network.ATTEMPTS
    assert not target.exists()


def test_a_refused_connection_is_told_with_its_cause(tmp_path, target):
    with Bucket(tmp_path) as gone:
        pass
    with pytest.raises(SourceError, match=r"Connection refused; see that this machine reaches it"):
        download(f"{gone.url}/data.bin", target)


@pytest.mark.parametrize(("path", "kind", "status"), [("none.bin", None, "404"), ("data.bin", "403", "403")])
def test_what_cannot_pass_is_asked_once(bucket, target, path, kind, status):
    if kind:
        bucket.fault(kind, math.inf)
    with pytest.raises(SourceError, match=f"answers {status} .*see that the address is right"):
        download(f"{bucket.url}/{path}", target)
    assert len(bucket.requests) == 1


def test_messages_hold_no_secret_of_the_address(bucket, target):
    secret = bucket.data.replace("http://", "http://me:pass@") + "?token=pass"
    for kind in ("403", "503", "refuse"):
        bucket.fault(kind, network.ATTEMPTS if kind != "403" else 1)
        with pytest.raises(SourceError) as caught:
            download(secret, target)
        assert bucket.data in str(caught.value)
        assert "pass" not in str(caught.value)


def test_a_broken_connection_is_resumed_as_often_as_it_brings_something(bucket, target, monkeypatch):
    monkeypatch.setattr("ionsieve.data.download.BLOCK_BYTES", 100)
    breaks = 2 * network.ATTEMPTS
    bucket.fault("cut", breaks)
    download(bucket.data, target)
    assert target.read_bytes() == CONTENT
    first, *later = bucket.asked("data.bin")
    assert first is None
    starts = [int(asked.removeprefix("bytes=").rstrip("-")) for asked in later]
    assert len(starts) == breaks
    assert starts == sorted(set(starts))


def test_a_server_without_ranges_that_keeps_breaking_off_is_given_up(bucket, target):
    bucket.fault("cut", math.inf)
    bucket.fault("no-range", math.inf)
    with pytest.raises(SourceError, match="broke off"):
        download(bucket.data, target)
    assert len(bucket.requests) <= 2 * network.ATTEMPTS


def test_the_next_run_fetches_only_what_is_missing(bucket, target):
    _break_off(bucket, target)
    kept = target.with_name("data.bin.part").stat().st_size
    assert 0 < kept < len(CONTENT)
    bucket.requests.clear()
    download(bucket.data, target)
    assert bucket.asked("data.bin") == [f"bytes={kept}-"]
    assert target.read_bytes() == CONTENT


def test_a_part_of_another_version_is_not_continued(bucket, target):
    _break_off(bucket, target)
    changed = CONTENT[::-1]
    (bucket.folder / "data.bin").write_bytes(changed)
    assert download(bucket.data, target).md5 == _md5(changed)
    assert target.read_bytes() == changed


@pytest.mark.parametrize("changed", [CONTENT[::-1], CONTENT[:100]])
def test_a_part_of_another_version_is_not_continued_where_if_range_is_ignored(bucket, target, changed):
    _break_off(bucket, target)
    (bucket.folder / "data.bin").write_bytes(changed)
    bucket.fault("no-if-range", math.inf)
    download(bucket.data, target)
    assert target.read_bytes() == changed


def test_a_complete_part_is_compared_with_the_server_before_it_is_taken(bucket, target):
    _break_off(bucket, target)
    target.with_name("data.bin.part").write_bytes(CONTENT)
    bucket.requests.clear()
    download(bucket.data, target)
    assert bucket.asked("data.bin") == [f"bytes={len(CONTENT) - 1}-"]
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("kind", ["no-etag", "weak-etag"])
def test_without_a_strong_etag_a_broken_download_starts_anew(bucket, target, kind):
    bucket.fault(kind, math.inf)
    bucket.fault("cut")
    download(bucket.data, target)
    assert bucket.asked("data.bin") == [None, None]
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]


def test_a_wrong_checksum_leaves_no_file_and_the_next_run_starts_anew(bucket, target):
    bucket.fault("wrong-md5")
    with pytest.raises(SourceError, match=r"arrived damaged \(checksum .* was removed; run the same command"):
        download(bucket.data, target)
    assert list(target.parent.iterdir()) == []
    download(bucket.data, target)
    assert target.read_bytes() == CONTENT


def test_a_part_that_was_damaged_on_disk_is_noticed(bucket, target):
    _break_off(bucket, target)
    part = target.with_name("data.bin.part")
    part.write_bytes(b"\0" + part.read_bytes()[1:])
    with pytest.raises(SourceError, match="checksum"):
        download(bucket.data, target)
    assert not target.exists()


def test_a_failing_download_leaves_the_old_file_alone(bucket, target):
    target.parent.mkdir()
    target.write_bytes(b"old")
    bucket.fault("wrong-md5")
    with pytest.raises(SourceError):
        download(bucket.data, target)
    assert target.read_bytes() == b"old"


def test_a_server_that_tells_no_size_is_refused(bucket, target):
    bucket.fault("no-size", math.inf)
    with pytest.raises(SourceError, match="does not tell the size"):
        download(bucket.data, target)


def test_a_full_disk_is_told_and_the_download_goes_on_when_there_is_room(bucket, target):
    script = (
        "import resource, sys; from pathlib import Path\n"
        "from ionsieve.data.download import download; from ionsieve.errors import IonSieveError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))\n"
        "try: download(sys.argv[1], Path(sys.argv[2]))\n"
        "except IonSieveError as error: print(error)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, bucket.data, str(target)], capture_output=True, text=True, check=True
    ).stdout
    assert "cannot be written: File too large; make room" in told
    assert not target.exists()
    download(bucket.data, target)
    assert bucket.asked("data.bin") == [None, "bytes=600000-"]
    assert target.read_bytes() == CONTENT


def _break_off(bucket: Bucket, target: Path) -> None:
    """Half of the file comes, then the server is gone for the rest of this run."""
    bucket.fault("cut")
    bucket.fault("503", network.ATTEMPTS, after=1)
    with pytest.raises(SourceError):
        download(bucket.data, target)
    assert not target.exists()


class TestRemoteFile:
    @pytest.fixture
    def remote(self, bucket):
        with io.BufferedReader(RemoteFile(bucket.data, identity(bucket.data)), 1000) as file:
            bucket.requests.clear()
            yield file

    def test_reads_what_a_local_file_would_give(self, bucket, remote):
        for offset, whence, length in [
            (5, 0, 10),
            (-7, 2, 100),
            (250_000, 0, 5_000),
            (-100, 1, 3),
            (0, 2, 1),
        ]:
            with (bucket.folder / "data.bin").open("rb") as local:
                local.seek(remote.tell())
                assert remote.seek(offset, whence) == local.seek(offset, whence)
                assert remote.read(length) == local.read(length)
        with pytest.raises(OSError, match="before the start"):
            remote.seek(-1)

    def test_asks_for_one_buffer_at_a_time(self, bucket, remote):
        for _ in range(20):
            remote.read(100)
        assert bucket.asked("data.bin") == ["bytes=0-999", "bytes=1000-1999"]

    def test_splits_a_long_read(self, bucket, remote, monkeypatch):
        monkeypatch.setattr("ionsieve.data.download.LONGEST_RANGE_BYTES", 300_000)
        assert remote.read(len(CONTENT)) == CONTENT
        assert len(bucket.requests) == 4

    @pytest.mark.parametrize("kind", ["503", "429", "refuse", "cut"])
    def test_repeats_what_may_pass(self, bucket, remote, kind):
        bucket.fault(kind)
        assert remote.read(500) == CONTENT[:500]
        assert bucket.asked("data.bin") == ["bytes=0-999", "bytes=0-999"]

    def test_tells_when_the_server_is_gone_for_good(self, bucket, remote):
        bucket.fault("503", math.inf)
        with pytest.raises(SourceError, match="answers 503"):
            remote.read(1)

    @pytest.mark.parametrize("changed", [CONTENT[::-1], CONTENT[:-1], CONTENT[:10]])
    def test_tells_when_the_file_changes_meanwhile(self, bucket, remote, changed):
        remote.read(1)
        (bucket.folder / "data.bin").write_bytes(changed)
        remote.seek(500_000)
        with pytest.raises(SourceError, match="has changed while|is shorter than it was"):
            remote.read(1)

    def test_tells_when_ranges_are_unknown(self, bucket, remote):
        bucket.fault("no-range", math.inf)
        with pytest.raises(SourceError, match="no range requests.*download the file and give its folder"):
            remote.read(1)
        assert len(bucket.requests) == 1
