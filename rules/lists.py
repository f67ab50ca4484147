"""The rule lists of a release, `rules.json`: what an operator writes, checked before any of it is used.

A section that is left out means the product's default (`default.json`); `null` or an empty list switches a rule off.
A written release holds every section, so that its version explains a decision completely.
"""

import re
from functools import lru_cache
from importlib.resources import files
from ipaddress import ip_network
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from contracts.errors import BadInput
from rules.networks import Network

FORMAT = 1
# Every browser opens with it, so a pattern that finds it would invalidate all traffic.
ANY_BROWSER = "Mozilla/5.0"
# No provider owns a wider block; a wider one is a slip of the pen that would invalidate whole countries.
WIDEST_PREFIX = {4: 8, 6: 16}

Pattern = Annotated[str, Meta(min_length=1, max_length=500)]
Seconds = Annotated[float, Meta(gt=0, le=3600)]
Milliseconds = Annotated[int, Meta(ge=0)]


class UserAgents(Struct, frozen=True, forbid_unknown_fields=True):
    """Texts and regular expressions sought anywhere in a user agent; upper and lower case are the same."""

    substrings: tuple[Pattern, ...] = ()
    regexes: tuple[Pattern, ...] = ()


class RuleLists(Struct, frozen=True, forbid_unknown_fields=True):
    """One field a rule, complete."""

    declared_robot: UserAgents
    non_browser: UserAgents
    datacentre_networks: tuple[str, ...]
    double_click_within_s: Seconds | None
    stale_click_after_ms: Milliseconds | None
    future_click_beyond_ms: Milliseconds | None
    format: Annotated[int, Meta(ge=FORMAT, le=FORMAT)] = FORMAT


class _Written(Struct, frozen=True, forbid_unknown_fields=True):
    """`RuleLists` as it may be written: any section may be absent."""

    declared_robot: UserAgents | UnsetType = UNSET
    non_browser: UserAgents | UnsetType = UNSET
    datacentre_networks: tuple[str, ...] | UnsetType = UNSET
    double_click_within_s: Seconds | UnsetType | None = UNSET
    stale_click_after_ms: Milliseconds | UnsetType | None = UNSET
    future_click_beyond_ms: Milliseconds | UnsetType | None = UNSET
    format: Annotated[int, Meta(ge=FORMAT, le=FORMAT)] = FORMAT


@lru_cache
def default_lists() -> RuleLists:
    """The lists that come with the product."""
    return msgspec.json.decode(files("rules").joinpath("default.json").read_bytes(), type=RuleLists)


def read_lists(document: bytes) -> RuleLists:
    """Decode `rules.json`. Raises BadInput with the place of the fault, such as `$.datacentre_networks[3]`."""
    try:
        written = msgspec.json.decode(document, type=_Written)
    except msgspec.DecodeError as error:
        # msgspec ends its message with " - at `$.path`" where it knows the place.
        fault, _, place = str(error).partition(" - at ")
        path = place.strip("`") or "$"
        raise BadInput(f"The rule lists cannot be read at {path}: {fault}.", path) from error
    sections: dict[str, Any] = msgspec.structs.asdict(default_lists())
    sections |= {name: value for name, value in msgspec.structs.asdict(written).items() if value is not UNSET}
    return RuleLists(**sections)


def compile_regexes(rule: str, listed: UserAgents) -> tuple[re.Pattern[str], ...]:
    """The regular expressions of a rule, ready to search; BadInput for a bad one or one that fits any browser."""
    for i, text in enumerate(listed.substrings):
        if text.lower() in ANY_BROWSER.lower():
            raise _matches_everyone(f"$.{rule}.substrings[{i}]", text)
    return tuple(_regex(f"$.{rule}.regexes[{i}]", text) for i, text in enumerate(listed.regexes))


def _regex(path: str, text: str) -> re.Pattern[str]:
    try:
        regex = re.compile(text, re.IGNORECASE)
    except re.error as error:
        message = f"Rule lists, {path}: {text!r} is not a regular expression ({error}). Correct it or remove it."
        raise BadInput(message, path) from error
    if regex.search(ANY_BROWSER):
        raise _matches_everyone(path, text)
    return regex


def _matches_everyone(path: str, text: str) -> BadInput:
    return BadInput(
        f"Rule lists, {path}: {text!r} fits {ANY_BROWSER!r}, with which every browser introduces itself, "
        "so that all clicks would be invalid. Make it more specific.",
        path,
    )


def parse_networks(texts: tuple[str, ...]) -> list[Network]:
    """The listed networks in CIDR notation; BadInput for one that is none, or that is wider than any provider's."""
    return [_network(f"$.datacentre_networks[{i}]", text) for i, text in enumerate(texts)]


def _network(path: str, text: str) -> Network:
    try:
        network = ip_network(text)
    except ValueError as error:
        message = f"Rule lists, {path}: {text!r} is not a network ({error}). Expected CIDR such as 192.0.2.0/24."
        raise BadInput(message, path) from error
    widest = WIDEST_PREFIX[network.version]
    if network.prefixlen < widest:
        raise BadInput(
            f"Rule lists, {path}: {text} is wider than any provider's block; the widest allowed is /{widest}.", path
        )
    return network
