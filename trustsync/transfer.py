"""One target on its way from the repository into a file, however often the line breaks.

The rules this module keeps:

* What came is kept in the file and asked for again only from there on; what it is, the hash over the whole
  of it says at the end, however it was pieced together.
* Never more than the signed length lies on the card, and never more than a chunk of it in memory.
* A file that was pieced together and does not lead to the signed hash costs one fetch from zero, not more:
  the old piece may be bad, or the server may be lying.

    obtain(fetcher, "https://trust.example/targets/trust/ab12.keys.cbor", info, partial)
    partial.rename(destination)

Whether a target may be had at all is the business of :mod:`trustsync.client`.
"""

from __future__ import annotations

from pathlib import Path

from tuf.api.exceptions import (
    DownloadError,
    DownloadHTTPError,
    DownloadLengthMismatchError,
    LengthOrHashMismatchError,
    SlowRetrievalError,
)
from tuf.api.metadata import TargetFile  # type: ignore[attr-defined]  # python-tuf re-exports it unmarked

from trustsync.fetcher import Answer, RepositoryFetcher

RESUMPTIONS = 3  # of a broken transfer within one sync; the next sync goes on from there


def obtain(fetcher: RepositoryFetcher, url: str, info: TargetFile, file: Path) -> None:
    """Bring ``file`` to the signed length and hashes, going on from what it holds.

    Raises DownloadError, the file then keeps what came; LengthOrHashMismatchError and
    DownloadLengthMismatchError when the server gives something else than what is signed, the file is then
    gone; OSError when it cannot be written.
    """
    for last in (False, True):
        transfer = _Transfer(fetcher, url, info, file)
        try:
            transfer.run()
            return
        except (LengthOrHashMismatchError, DownloadLengthMismatchError):
            file.unlink(missing_ok=True)
            if last or not transfer.pieced:
                raise


class _Transfer:
    """pieced: whether the file holds bytes of more than one answer."""

    def __init__(self, fetcher: RepositoryFetcher, url: str, info: TargetFile, file: Path) -> None:
        self._fetcher = fetcher
        self._url = url
        self._info = info
        self._file = file
        self.pieced = self._held() > 0

    def run(self) -> None:
        left, etag = RESUMPTIONS, None
        while (held := self._held()) < self._info.length or not self._file.exists():
            answer = self._fetcher.fetch_from(self._url, held, etag)
            etag = answer.etag
            self.pieced = answer.start > 0
            if answer.start < held:
                left = 0  # it begins anew each time: going on would only fetch the same bytes again
            try:
                self._write(answer)
                break
            except (DownloadHTTPError, DownloadLengthMismatchError, SlowRetrievalError):
                raise
            except DownloadError:
                if left == 0 or self._held() == answer.start:
                    raise
                left -= 1
        with self._file.open("rb") as file:
            self._info.verify_length_and_hashes(file)

    def _held(self) -> int:
        """Bytes that lie there. As many as are signed, or more: nothing is asked, and the hash decides."""
        try:
            return self._file.stat().st_size
        except FileNotFoundError:
            return 0

    def _write(self, answer: Answer) -> None:
        with self._file.open("r+b" if self._file.exists() else "xb") as file:
            at = file.seek(answer.start)
            file.truncate()
            for chunk in answer.chunks:
                at += len(chunk)
                if at > self._info.length:
                    raise DownloadLengthMismatchError(
                        f"{self._info.path}: more than the signed {self._info.length} bytes came"
                    )
                file.write(chunk)
