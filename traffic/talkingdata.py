"""The TalkingData AdTracking dataset's columns as a mapping, and the example of what a mapping can say.

    ip,app,device,os,channel,click_time,attributed_time,is_attributed
    183938,12,1,17,328,2017-11-07 11:31:40,,0

Addresses and names are numbers there, so they are kept as opaque ids. A user is an (ip, device, os), as everyone who
works with the dataset takes it; whether somebody was logged in, and what a click cost, the dataset does not say. The
user agent names a browser, or every click would be taken for a robot that introduces itself.
"""

from traffic.mapping import Mapping, read_mapping

TALKINGDATA_TOML = """
purchase_if = { column = "is_attributed", values = ["1"] }

[click]
click_id       = { template = "{file}:{line}" }
clicked_at_ms  = { column = "click_time", time = "%Y-%m-%d %H:%M:%S" }
user_id        = { template = "{ip}-{device}-{os}" }
session_id     = { template = "{ip}-{device}-{os}", idle_minutes = 30 }
logged_in      = { value = false }
ip             = { column = "ip" }
user_agent     = { template = "Mozilla/5.0 (device {device}; os {os})" }
device         = { value = "mobile" }
advertiser_id  = { column = "app" }
campaign_id    = { column = "app" }
publisher_id   = { column = "channel" }
cost_micros    = { value = 0 }
currency       = { value = "XXX" }

[purchase]
purchase_id     = { template = "{file}:{line}" }
purchased_at_ms = { column = "attributed_time", time = "%Y-%m-%d %H:%M:%S" }
value_micros    = { value = 0 }
currency        = { value = "XXX" }
user_id         = { click = "user_id" }
session_id      = { click = "session_id" }
click_id        = { click = "click_id" }
"""


def talkingdata_mapping() -> Mapping:
    """The mapping, checked."""
    return read_mapping(TALKINGDATA_TOML, "the mapping of TalkingData")
