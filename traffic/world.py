"""What the simulated clicks refer to: campaigns, ads, publishers, browsers, networks. The same for every seed. Pure."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from contracts.events import DEVICES, Device

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating]

CURRENCY = "EUR"
# One market: local time of nearly everyone.
UTC_OFFSET_MIN = 60

ADVERTISERS = 120
CAMPAIGNS = 500
ADS_PER_CAMPAIGN = 6
PUBLISHERS = 300

GATEWAYS_IN_USE = 4000
_PEOPLE_PER_HOUSEHOLD = 2

# Nobody real lives in these reserved networks (RFC 1112, RFC 6598, RFC 1918), so no list of real addresses hits them.
HOMES = (0xF000_0000, 1 << 28)  # 240.0.0.0/4: first address, how many
GATEWAYS = (0x6440_0000, 1 << 22)  # 100.64.0.0/10: mobile carriers
OFFICES = (0x0A00_0000, 1 << 24)  # 10.0.0.0/8
# A cloud provider's block that the product's default rule lists contain.
DATA_CENTRE = (0x0380_0000, 1 << 20)  # 3.128.0.0/12


class Browser(NamedTuple):
    """A user agent, the device that it runs on, and its share among the user agents of that device."""

    user_agent: str
    device: Device
    share: float


_WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
_MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
_LINUX = "Mozilla/5.0 (X11; Linux x86_64)"
_KHTML = "AppleWebKit/537.36 (KHTML, like Gecko)"
_WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
_IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS {} like Mac OS X)"
_IPAD = "Mozilla/5.0 (iPad; CPU OS {} like Mac OS X)"
_ANDROID = "Mozilla/5.0 (Linux; Android 14; K)"
_APP_ON_ANDROID = "Mozilla/5.0 (Linux; Android 14; {}) NewsReader/8.1"
_CHROMES = ("128.0.0.0", "127.0.0.0", "126.0.0.0", "125.0.0.0", "124.0.0.0")
_FIREFOXES = ("129.0", "128.0", "115.0")
_SAFARIS = ("17.6", "17.5", "16.6")
_IOS = ("17_6", "17_5", "16_7", "17_4", "15_8")
_PHONES = ("Pixel 8", "SM-S921B", "SM-A546B", "2201117TY", "Pixel 7a")


def _versions(form: str, device: Device, share: float, versions: tuple[str, ...]) -> tuple[Browser, ...]:
    """Each version half as common as the one before it."""
    weights = [2.0**-place for place in range(len(versions))]
    return tuple(
        Browser(form.replace("{}", version), device, share * weight / sum(weights))
        for version, weight in zip(versions, weights, strict=True)
    )


BROWSERS: tuple[Browser, ...] = (
    *_versions(f"{_WINDOWS} {_KHTML} Chrome/{{}} Safari/537.36", "desktop", 0.48, _CHROMES),
    *_versions(f"{_WINDOWS} {_KHTML} Chrome/127.0.0.0 Safari/537.36 Edg/{{}}", "desktop", 0.17, _CHROMES),
    *_versions(f"{_WINDOWS[:-1]}; rv:{{}}) Gecko/20100101 Firefox/{{}}", "desktop", 0.09, _FIREFOXES),
    *_versions(f"{_MAC} {_WEBKIT} Version/{{}} Safari/605.1.15", "desktop", 0.14, _SAFARIS),
    *_versions(f"{_MAC} {_KHTML} Chrome/{{}} Safari/537.36", "desktop", 0.09, _CHROMES),
    *_versions(f"{_LINUX} {_KHTML} Chrome/{{}} Safari/537.36", "desktop", 0.03, _CHROMES),
    *_versions(f"{_IPHONE} {_WEBKIT} Version/17.6 Mobile/15E148 Safari/604.1", "mobile", 0.42, _IOS),
    *_versions(f"{_ANDROID} {_KHTML} Chrome/{{}} Mobile Safari/537.36", "mobile", 0.47, _CHROMES),
    *_versions(f"{_ANDROID} {_KHTML} SamsungBrowser/25.0 Chrome/{{}} Mobile Safari/537.36", "mobile", 0.11, _CHROMES),
    *_versions(f"{_IPAD} {_WEBKIT} Version/17.6 Mobile/15E148 Safari/604.1", "tablet", 0.7, _IOS),
    *_versions(f"{_ANDROID} {_KHTML} Chrome/{{}} Safari/537.36", "tablet", 0.3, _CHROMES),
    *_versions(f"{_IPHONE} NewsReader/8.2", "app", 0.5, _IOS),
    *_versions(_APP_ON_ANDROID, "app", 0.5, _PHONES),
    Browser("Mozilla/5.0 (SMART-TV; Linux; Tizen 8.0) AppleWebKit/537.36 Version/8.0 TV Safari/537.36", "other", 1.0),
)
DECLARED_ROBOTS: tuple[Browser, ...] = (
    Browser("Mozilla/5.0 (compatible; ExampleBot/2.1; +https://example.com/bot)", "other", 0.6),
    Browser("ExamplePreviewBot/1.0 (+https://example.org/robots)", "other", 0.4),
)
USER_AGENTS: tuple[str, ...] = tuple(browser.user_agent for browser in BROWSERS + DECLARED_ROBOTS)
FIRST_DECLARED_ROBOT = len(BROWSERS)
_DEVICE_SHARES: dict[Device, float] = {"desktop": 0.40, "mobile": 0.43, "tablet": 0.06, "app": 0.10, "other": 0.01}
# (len(BROWSERS),) share of each among all people.
BROWSER_SHARES: Floats = np.array([_DEVICE_SHARES[browser.device] * browser.share for browser in BROWSERS])
DEVICE_OF_AGENT: Integers = np.array([DEVICES.index(browser.device) for browser in BROWSERS + DECLARED_ROBOTS])

_WORDS = (
    "running shoes",
    "flight to lisbon",
    "car insurance",
    "garden chair",
    "mattress",
    "laptop",
    "espresso machine",
)
_WAYS = ("", "cheap ", "best ", "buy ", "compare ")
QUERIES: tuple[str, ...] = tuple(way + words for way in _WAYS for words in _WORDS)


def mix(numbers: Integers, salt: int) -> npt.NDArray[np.uint64]:
    """Hash of each number: an attribute that stays with a person (splitmix64, Steele et al. 2014)."""
    z = numbers.astype(np.uint64) + np.uint64((salt * 0x9E3779B97F4A7C15) & 0xFFFF_FFFF_FFFF_FFFF)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def hashed(numbers: Integers, salt: int) -> Integers:
    """Hash of each number as an identity: 62 bits, so that ids tell nothing of what they were made from."""
    return (mix(numbers, salt) >> np.uint64(2)).astype(np.int64)


def uniform(numbers: Integers, salt: int) -> Floats:
    """Hash of each number as a float in [0, 1)."""
    hashed: Floats = (mix(numbers, salt) >> np.uint64(11)) * 2.0**-53
    return hashed


def addresses(network: tuple[int, int], numbers: Integers, salt: int) -> Integers:
    """An address of the network for each number, as a 32-bit integer."""
    first, size = network
    return first + (mix(numbers, salt) % np.uint64(size)).astype(np.int64)


def pick(shares: Floats, points: Floats) -> Integers:
    """Index for each point in [0, 1): i with probability `shares[i]`."""
    edges = np.cumsum(shares / shares.sum())
    return np.minimum(np.searchsorted(edges, points, side="right"), len(shares) - 1)


_campaign = np.arange(CAMPAIGNS)
# Zipf-like popularity, and a price of 0.03 to about 1.50 a click that stays with the campaign.
CAMPAIGN_SHARES: Floats = 1.0 / (_campaign + 5.0)
COST_MICROS: list[int] = (10_000 * np.round(np.exp(1.1 + 4.0 * uniform(_campaign, 1)))).astype(int).tolist()
ADVERTISER_OF: list[int] = (mix(_campaign, 2) % np.uint64(ADVERTISERS)).tolist()
PUBLISHER_SHARES: Floats = 1.0 / (np.arange(PUBLISHERS) + 3.0)


# Clicks of a carrier's gateway by its rank. TalkingData's busiest addresses fall off like this: the first has 1.2 % of
# all clicks, the 10th 0.2 %, the 100th about 0.05 %.
_GATEWAY_SHARES: Floats = (np.arange(GATEWAYS_IN_USE) + 1.0) ** -0.75


def gateways(points: Floats) -> Integers:
    """A carrier gateway's address for each point in [0, 1), by how busy it is."""
    return addresses(GATEWAYS, pick(_GATEWAY_SHARES, points), 14)


def homes(residents: Integers) -> Integers:
    """The address that these people, two a household, have at home."""
    return addresses(HOMES, residents // _PEOPLE_PER_HOUSEHOLD, 12)


def campaigns(rng: np.random.Generator, count: int) -> Integers:
    """Campaigns by popularity."""
    return pick(CAMPAIGN_SHARES, rng.random(count))


def publishers(rng: np.random.Generator, count: int) -> Integers:
    """Publishers by popularity."""
    return pick(PUBLISHER_SHARES, rng.random(count))


def browsers(points: Floats) -> Integers:
    """Index into `USER_AGENTS` for each point in [0, 1), by share among people."""
    return pick(BROWSER_SHARES, points)
