"""What stores on other machines have in common: a URL that may hold a password, and a server that may go away."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from genrec.serving.histories.base import StoreDownError

ANSWER_S = 2.0  # how long a server may take to take a connection before it counts as gone
REST_S = 1.0  # after which a server that was gone is asked again
REMEDY = "Try again a little later. An event with an event_id is stored once, however often it is sent."

_HOST = r"(?:[\w.-]*|\[[0-9a-fA-F:.]+\])(?::\d+)?"
_URL = re.compile(rf"(?P<kind>\w+)://(?:[^@/?#]*@)?(?P<place>{_HOST}(?:,{_HOST})*(?:/[\w-]*)?)(?:\?[^@]*)?")


def place(url: str) -> str:
    """Return a URL without user, password and options, to be shown; of one that is odd, its scheme alone."""
    found = _URL.fullmatch(url)
    return f"{found['kind']}://{found['place']}" if found else f"{url.partition('://')[0]}://…"


class Reach:
    """Turns a client's errors into :class:`StoreDownError`.

    After one that says that the server is gone, nobody waits for the server again until a moment later: threads
    that wait for a dead store would be missing to the requests that need none.

    Args:
        place: where the store is, as it may be shown.
        errors: what the client raises when the server does not do what it should.
        gone: those among them that say that there is no server.
    """

    def __init__(
        self, place: str, errors: tuple[type[Exception], ...], gone: tuple[type[Exception], ...] = ()
    ) -> None:
        self._place, self._errors, self._gone = place, errors, gone
        self._until, self._why = 0.0, ""

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Do something with the server.

        Raises:
            StoreDownError: if the server does not do it, or was gone a moment ago.
        """
        if time.monotonic() < self._until:
            raise StoreDownError(self._why, REMEDY)
        try:
            yield
        except self._errors as error:
            why = f"The store of histories at {self._place} fails: {error}"
            if isinstance(error, self._gone):
                self._until, self._why = time.monotonic() + REST_S, why
            raise StoreDownError(why, REMEDY) from error
