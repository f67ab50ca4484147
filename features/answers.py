"""The answer to one click: 108 bytes that are stored, recalled and turned into features. One place fixes their order.

    account, session, account_campaign    each 4 x float32 clicks in 1 min, 10 min, 1 h, 24 h; float32 gap in seconds
    account's occupied slots              4 x u8: IPs 1 h, 24 h; campaigns 1 h, 24 h
    ip                                    like account
    ip's occupied slots                   4 x u8: sessions 1 h, 24 h; users 1 h, 24 h
    ip_ua                                 like account

Each entity's numbers are as of its own newest click, after counting this one; the gap is the time between this click
and the newest one before it, whichever is later, -1 if there was none. Little-endian.
"""

import struct
from typing import Any, Final

import numpy as np

from contracts.features import WINDOWS_MS
from features.states import NEVER_SEEN_ENTITY, AccountCounts, EntityCounts
from features.windows import NEVER_SEEN, Counts

_COUNTS = ("<f4", (len(WINDOWS_MS) + 1,))
_OCCUPIED = ("u1", (4,))
ANSWER: Final[np.dtype[Any]] = np.dtype(
    [
        ("account", *_COUNTS),
        ("session", *_COUNTS),
        ("account_campaign", *_COUNTS),
        ("account_occupied", *_OCCUPIED),
        ("ip", *_COUNTS),
        ("ip_occupied", *_OCCUPIED),
        ("ip_ua", *_COUNTS),
    ]
)
ANSWER_BYTES: Final = ANSWER.itemsize
_pack = struct.Struct("<15f4B5f4B5f").pack


def pack_answer(account: AccountCounts, ip: EntityCounts, ip_ua: Counts) -> bytes:
    """The answer of three states as 108 bytes."""
    entity, session, campaign = account
    return _pack(
        *entity.counts.clicks,
        entity.counts.gap_s,
        *session.clicks,
        session.gap_s,
        *campaign.clicks,
        campaign.gap_s,
        *entity.occupied,
        *ip.counts.clicks,
        ip.counts.gap_s,
        *ip.occupied,
        *ip_ua.clicks,
        ip_ua.gap_s,
    )


# The answer to a click that was counted nowhere.
UNSEEN_ANSWER: Final = pack_answer(
    AccountCounts(NEVER_SEEN_ENTITY, NEVER_SEEN, NEVER_SEEN), NEVER_SEEN_ENTITY, NEVER_SEEN
)


def split_answers(answers: bytes) -> list[bytes]:
    """Concatenated answers, one by one."""
    return [answers[at : at + ANSWER_BYTES] for at in range(0, len(answers), ANSWER_BYTES)]
