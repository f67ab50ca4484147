"""One call of `count.lua`: the keys and the bytes that the script reads, and what it keeps of the call. Pure.

Visits are grouped by entity, so that the script reads and writes each state once however many clicks hit it.
"""

import re
import struct
from collections.abc import Sequence
from typing import Final

from contracts.ports import CountCall, Recall
from features.answers import ANSWER_BYTES, split_answers
from features.entities import Visit
from features.layout import STORED_ANSWERS_MOST, Keys
from features.states import NAME_BYTES, slot_of

# Redis serves nobody else while it counts: about 10 ms for 256 clicks.
CLICKS_MOST: Final = 1024
_NO_SLOT = 255
_OFFSET_BYTES = 8
_NUMBER = re.compile(rb"-?\d+")
_head = struct.Struct("<4H").pack
_of_account = struct.Struct(f"<Hd{NAME_BYTES}s{NAME_BYTES}sBB").pack
_of_ip = struct.Struct("<HdBB").pack
_of_ip_ua = struct.Struct("<Hd").pack
_visits = struct.Struct("<H").pack
_Group = dict[bytes, list[bytes]]


def pack_call(call: CountCall, visits: Sequence[Visit], keys: Keys, ttl_s: int) -> tuple[list[bytes], list[bytes]]:
    """KEYS and ARGV of the script."""
    if len(visits) > CLICKS_MOST:
        raise ValueError(f"A call holds {len(visits)} clicks; at most {CLICKS_MOST}, since Redis is blocked meanwhile.")
    entities, packed = pack_visits(visits, keys)
    expected = b"" if call.expected_watermark is None else b"%d" % call.expected_watermark
    offsets = struct.pack(f"<{len(visits)}q", *call.offsets)
    numbers = (call.watermark, call.acknowledged, ttl_s, STORED_ANSWERS_MOST)
    names = [keys.watermark(call.partition), keys.stored_answers(call.partition), *entities]
    return names, [expected, *(b"%d" % number for number in numbers), offsets, packed]


def pack_visits(visits: Sequence[Visit], keys: Keys) -> tuple[list[bytes], bytes]:
    """Keys of accounts, IPs and IP + UAs, each once, and the visits to them in that order."""
    accounts: _Group = {}
    ips: _Group = {}
    ip_uas: _Group = {}
    for i, (t_ms, account, session, campaign, ip, ip_ua, has_user) in enumerate(visits):
        hit = _of_account(i, t_ms, session, campaign, slot_of(ip), slot_of(campaign))
        accounts.setdefault(account, []).append(hit)
        hit = _of_ip(i, t_ms, slot_of(session), slot_of(account) if has_user else _NO_SLOT)
        ips.setdefault(ip, []).append(hit)
        ip_uas.setdefault(ip_ua, []).append(_of_ip_ua(i, t_ms))
    parts = [_head(len(visits), len(accounts), len(ips), len(ip_uas))]
    names: list[bytes] = []
    for prefix, group in ((keys.account, accounts), (keys.ip, ips), (keys.ip_ua, ip_uas)):
        for digest, hits in group.items():
            names.append(prefix + digest)
            parts.append(_visits(len(hits)))
            parts += hits
    return names, b"".join(parts)


def read_watermark(value: object) -> int | None:
    """Watermark from what Redis keeps under its key; None if that is absent or no number."""
    return int(value) if isinstance(value, bytes) and _NUMBER.fullmatch(value) else None


def read_recall(watermark: object, stored: object) -> Recall:
    """Watermark and stored answers from what Redis keeps; what is none of ours counts as absent."""
    answers: dict[int, bytes] = {}
    for body in stored[1::2] if isinstance(stored, list) else ():
        clicks, rest = divmod(len(body), _OFFSET_BYTES + ANSWER_BYTES)
        if not rest:
            offsets = struct.unpack_from(f"<{clicks}q", body)
            answers.update(zip(offsets, split_answers(body[clicks * _OFFSET_BYTES :]), strict=True))
    return Recall(read_watermark(watermark), answers)
