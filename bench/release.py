"""The release that benchmarks run: trained and exported by the product's own code, from a short simulated history."""

from slidr.history import history_scenario

END_MS = 1_704_067_200_000
DAYS = 7
CLICKS = 20_000
SEED = 7


def train_small_release(models_uri: str) -> str:
    """Train on 20,000 clicks, write the release and return its version. Same arguments, same model."""
    # Torch is loaded here and not by processes that only measure.
    from model.schedule import Schedule
    from rules.ruleset import RuleSet
    from slidr.retrain.simulation import train_on_simulation

    scenario = history_scenario(SEED, END_MS, DAYS, CLICKS, robot_share=0.2)
    schedule = Schedule(max_epochs=3, seed=SEED)
    return train_on_simulation(scenario, RuleSet.default(), 0.1, schedule, models_uri, END_MS).version


if __name__ == "__main__":
    import sys

    train_small_release(sys.argv[1])
