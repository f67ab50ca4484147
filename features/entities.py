"""Who takes part in a click, under names that tell nothing: keyed hashes of account, session, campaign, IP, IP + UA.

A hash is keyed BLAKE2b with 128 bits, so nobody without the key can find an entity's name, or two entities that meet
in one slot of a sketch. The kind of an entity is hashed with it: a user and a session of the same name differ.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from contracts.errors import Misconfigured
from contracts.events import Click

DIGEST_BYTES = 16
KEY_ID_BYTES = 4
KEY_LENGTH_LEAST = 16
# Digests kept per kind of entity, some 60 MB in all at worst: the few busy ones are what a cache is for.
CACHED = 32_768


class Visit(NamedTuple):
    """A click as the counters see it: a time and the digests (16 bytes each) of those who take part."""

    t_ms: int
    account: bytes
    session: bytes
    campaign: bytes
    ip: bytes
    ip_ua: bytes
    has_user: bool


class EntityHasher:
    """Digests of the entities of clicks under one secret key; keeps those seen most recently."""

    def __init__(self, entity_key: str) -> None:
        if len(entity_key) < KEY_LENGTH_LEAST:
            raise Misconfigured(
                f"The entity key has {len(entity_key)} characters; it needs at least {KEY_LENGTH_LEAST}. Set "
                "SLIDR_ENTITY_KEY to a long random secret, the same for every process that shares counters."
            )
        key = blake2b(entity_key.encode()).digest()
        self._user, self._session, self._campaign, self._ip = (_named(key, kind) for kind in (b"u", b"s", b"c", b"i"))
        self._ip_ua = _paired(key, b"a")
        # Tells keys apart; as a keyed digest of no name it says nothing of the key.
        self.key_id = blake2b(b"k", digest_size=KEY_ID_BYTES, key=key).hexdigest()

    def visit(self, click: Click) -> Visit:
        """The click's time and digests."""
        session = self._session(click.session_id)
        ip = self._ip(click.ip)
        return Visit(
            click.clicked_at_ms,
            self._user(click.user_id) if click.user_id else session,
            session,
            self._campaign(click.campaign_id),
            ip,
            self._ip_ua(ip, click.user_agent),
            bool(click.user_id),
        )

    def visits(self, clicks: Iterable[Click]) -> list[Visit]:
        """A visit for each click."""
        return [self.visit(click) for click in clicks]

    def user(self, user_id: str) -> bytes:
        """Digest of a user, 16 bytes: the account's, where the user is known."""
        return self._user(user_id)

    def session(self, session_id: str) -> bytes:
        """Digest of a session, 16 bytes: the account's, where no user is known."""
        return self._session(session_id)

    def ip(self, ip: str) -> bytes:
        """Digest of an IP address as it was written, 16 bytes."""
        return self._ip(ip)

    def account(self, click: Click) -> bytes:
        """Digest of the click's account, 16 bytes: the name under which logs may mention it."""
        return self._user(click.user_id) if click.user_id else self._session(click.session_id)


def _named(key: bytes, kind: bytes) -> Callable[[str], bytes]:
    keyed = blake2b(kind, digest_size=DIGEST_BYTES, key=key)

    @lru_cache(CACHED)
    def digest(name: str) -> bytes:
        state = keyed.copy()
        state.update(name.encode())
        return state.digest()

    return digest


def _paired(key: bytes, kind: bytes) -> Callable[[bytes, str], bytes]:
    keyed = blake2b(kind, digest_size=DIGEST_BYTES, key=key)

    @lru_cache(CACHED)
    def digest(first: bytes, name: str) -> bytes:
        # `first` has a fixed length, so no two pairs read the same.
        state = keyed.copy()
        state.update(first + name.encode())
        return state.digest()

    return digest
