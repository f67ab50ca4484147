"""`slidr replay-agent`: work on replays that are asked for."""


def replay_agent() -> None:
    """Work on replays that `slidr replay run` asks for, until SIGTERM or Ctrl-C.

    Several agents with the same SLIDR_GROUP share the partitions of a replay, in a consumer group of that name with
    `-replay`. One that dies is replaced within SLIDR_SESSION_TIMEOUT_S, and its work goes on where its records end.
    Health and metrics: /healthz, /readyz and /metrics on SLIDR_METRICS_PORT.

    Example: SLIDR_METRICS_PORT=9466 slidr replay-agent
    """
    from slidr.replay_agent import run_replay_agent
    from slidr.settings_source import load_settings

    run_replay_agent(load_settings(need=["kafka_bootstrap_servers"]))
