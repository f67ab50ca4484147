"""The billing extra installs alone: nothing but contracts, msgspec and confluent-kafka may be needed."""

import subprocess
import sys

LOADED_BY_BILLING = """
import sys
before = set(sys.modules)
import billing.conservation, billing.fold, billing.ledger, billing.log, billing.reader, billing.snapshot
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before} - sys.stdlib_module_names))
"""


def test_billing_needs_only_contracts_msgspec_and_confluent_kafka() -> None:
    loaded = subprocess.run([sys.executable, "-c", LOADED_BY_BILLING], capture_output=True, text=True, check=True)

    of_the_client = {"typing_extensions"}
    assert set(loaded.stdout.split()) - of_the_client == {"billing", "confluent_kafka", "contracts", "msgspec"}
