"""What Redis's error replies mean to a caller: come back later, or an operator must act."""

import hiredis

from contracts.errors import Misconfigured, SlidrError, Unavailable

# By the beginning of the reply. The call changed nothing and may succeed later.
_LATER = {
    "OOM": "It has reached maxmemory and needs more memory.",
    "READONLY": "It is a replica: a failover is under way, or the URL must name the primary.",
    "LOADING": "It is still loading its data.",
    "MASTERDOWN": "It is a replica that has lost its primary.",
    "MISCONF": "It cannot write to its disk.",
    "NOREPLICAS": "Too few of its replicas are connected.",
    "BUSY": "It is busy with somebody's script.",
    "NOSCRIPT": "It has forgotten SLIDR's script, which the next call loads again.",
    "ERR max number of clients": "Close other clients, or raise maxclients.",
}
_OPERATOR = {
    "NOAUTH": "It asks for a password: put one into the Redis URL.",
    "WRONGPASS": "User or password are wrong: correct the Redis URL.",
    "NOPERM": "The user lacks a permission: grant it, or put another user into the Redis URL.",
}
# Another connection may lead to a server that fares better.
_RECONNECT = ("READONLY", "LOADING", "MASTERDOWN", "NOSCRIPT", "NOAUTH")


def error_of(reply: hiredis.ReplyError, where: object) -> SlidrError:
    """`Unavailable` or `Misconfigured` for an error reply of the server `where`."""
    text = _cause(reply)
    for beginning, remedy in _LATER.items():
        if text.startswith(beginning):
            return Unavailable(f"{where} answered {text!r}. {remedy} The call may succeed later.")
    remedy = _OPERATOR.get(text.partition(" ")[0], "SLIDR needs Redis 6.2 or newer, with scripts, not in cluster mode.")
    return Misconfigured(f"{where} answered {text!r}. {remedy}")


def asks_for_another_connection(reply: hiredis.ReplyError) -> bool:
    """Whether it is of no use to go on with the connection that this came from."""
    return _cause(reply).startswith(_RECONNECT)


def _cause(reply: hiredis.ReplyError) -> str:
    """The error itself: Redis 6 wraps what befalls a script's command in an error of the script."""
    text = str(reply)
    return text.rpartition(": -")[2] if text.startswith("ERR Error running script") else text
