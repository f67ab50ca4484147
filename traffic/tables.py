"""Rows of simulated columns as Arrow record batches: the same as their events, without an object a row. Pure.

What repeats is looked up in a dictionary; ids are written as hexadecimal digits, all at once.
"""

from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from contracts.events import DEVICES
from traffic.columns import NO_OFFSET, NONE, Clicks, Purchases
from traffic.events import ADVERTISER_IDS, CAMPAIGN_IDS, PUBLISHER_IDS
from traffic.robots import HUMAN, KINDS
from traffic.world import ADS_PER_CAMPAIGN, ADVERTISER_OF, COST_MICROS, CURRENCY, DEVICE_OF_AGENT, QUERIES, USER_AGENTS

BoolVector = npt.NDArray[np.bool_]
_AD_IDS = [f"{campaign}-ad-{ad}" for campaign in CAMPAIGN_IDS for ad in range(ADS_PER_CAMPAIGN)]
_ADVERTISERS_OF, _COSTS_MICROS = np.array(ADVERTISER_OF), np.array(COST_MICROS)
# Two digits a byte, taken as one number of 16 bits.
_DIGITS_OF_BYTE = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), np.uint16)
_ID_DIGITS: Final = 16
_NUMBER_DIGITS: Final = 9


def click_batch(clicks: Clicks, id_prefix: str, first_number: int) -> pa.RecordBatch:
    """One column a field of `Click`."""
    campaign, agent, ad = (clicks[name].astype(np.int64) for name in ("campaign", "user_agent", "ad"))
    columns = {
        "click_id": _click_ids(first_number + np.arange(len(clicks)), id_prefix),
        "clicked_at_ms": pa.array(clicks["at_ms"]),
        "session_id": _hexadecimal("s", clicks["session"], _ID_DIGITS),
        "logged_in": pa.array(clicks["logged_in"]),
        "ip": _dotted(clicks["ip"]),
        "user_agent": _words(USER_AGENTS, agent),
        "device": _words(DEVICES, DEVICE_OF_AGENT[agent]),
        "advertiser_id": _words(ADVERTISER_IDS, _ADVERTISERS_OF[campaign]),
        "campaign_id": _words(CAMPAIGN_IDS, campaign),
        "cost_micros": pa.array(_COSTS_MICROS[campaign]),
        "currency": _words((CURRENCY,), np.zeros(len(clicks), np.int64)),
        "user_id": _user_ids(clicks["account"]),
        "utc_offset_min": _optional(clicks["utc_offset_min"].astype(np.int32), clicks["utc_offset_min"] != NO_OFFSET),
        "ad_id": _words(_AD_IDS, np.where(ad == NONE, NONE, campaign * ADS_PER_CAMPAIGN + ad)),
        "publisher_id": _words(PUBLISHER_IDS, clicks["publisher"]),
        "query": _words(QUERIES, clicks["query"]),
    }
    return pa.RecordBatch.from_pydict(columns)


def purchase_batch(purchases: Purchases, id_prefix: str) -> pa.RecordBatch:
    """One column a field of `Purchase`."""
    number, before = purchases["number"], purchases["session"] == NONE
    of_clicks = _hexadecimal(f"p-{id_prefix}-", number, _NUMBER_DIGITS)
    columns = {
        "purchase_id": pc.if_else(before, _hexadecimal(f"b-{id_prefix}-", number, _NUMBER_DIGITS), of_clicks),
        "purchased_at_ms": pa.array(purchases["at_ms"]),
        "value_micros": pa.array(purchases["value_micros"]),
        "currency": _words((CURRENCY,), np.zeros(len(purchases), np.int64)),
        "user_id": _user_ids(purchases["account"]),
        "session_id": _hexadecimal("s", purchases["session"], _ID_DIGITS, ~before),
        "click_id": _click_ids(number, id_prefix, purchases["names_click"]),
    }
    return pa.RecordBatch.from_pydict(columns)


def truth_batch(clicks: Clicks, id_prefix: str, first_number: int) -> pa.RecordBatch:
    """One column a field of `Truth`."""
    columns = {
        "click_id": _click_ids(first_number + np.arange(len(clicks)), id_prefix),
        "kind": _words(KINDS, clicks["kind"]),
        "robot": pa.array(clicks["kind"] != KINDS.index(HUMAN)),
    }
    return pa.RecordBatch.from_pydict(columns)


def _words(words: Any, index: npt.NDArray[Any]) -> pa.Array:
    """The word of each index; null for NONE."""
    return pa.DictionaryArray.from_arrays(_optional(index.astype(np.int32), index != NONE), pa.array(list(words)))


def _optional(values: npt.NDArray[Any], known: BoolVector) -> pa.Array:
    return pa.array(values, mask=~known)


def _user_ids(account: npt.NDArray[np.int64]) -> pa.Array:
    return _hexadecimal("u", account, _ID_DIGITS, account != NONE)


def _click_ids(number: npt.NDArray[np.int64], id_prefix: str, known: BoolVector | None = None) -> pa.Array:
    return _hexadecimal(f"{id_prefix}-", number, _NUMBER_DIGITS, known)


def _hexadecimal(prefix: str, numbers: npt.NDArray[np.int64], digits: int, known: BoolVector | None = None) -> pa.Array:
    """The prefix and the last `digits` hexadecimal digits of each number; null where it is not known."""
    start, count = np.frombuffer(prefix.encode(), np.uint8), len(numbers)
    text = np.empty((count, len(start) + digits), np.uint8)
    text[:, : len(start)] = start
    big_endian = numbers.astype(">i8").view(np.uint8).reshape(count, 8)
    text[:, len(start) :] = _DIGITS_OF_BYTE[big_endian].view(np.uint8)[:, 16 - digits :]
    ends = np.arange(count + 1, dtype=np.int32) * text.shape[1]
    validity = None if known is None else pa.py_buffer(np.packbits(known, bitorder="little"))
    return pa.Array.from_buffers(pa.string(), count, [validity, pa.py_buffer(ends), pa.py_buffer(text)])


def _dotted(addresses: npt.NDArray[np.int64]) -> pa.Array:
    upper, lower = (_pairs_of_octets().take(pa.array(half)) for half in (addresses >> 16, addresses & 0xFFFF))
    return pc.binary_join_element_wise(upper, lower, ".")


@cache
def _pairs_of_octets() -> pa.Array:
    return pa.array([f"{pair >> 8}.{pair & 255}" for pair in range(1 << 16)])
