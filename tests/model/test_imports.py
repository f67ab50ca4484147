"""What a worker imports of these folders pulls in neither torch nor cvxpy: seconds of start and gigabytes of memory."""

import subprocess
import sys


def test_the_workers_side_imports_no_training_library() -> None:
    program = (
        "import sys, rules.ruleset, model.decide, model.release, model.scorer;"
        "print(*sorted({'torch', 'cvxpy', 'onnx', 'duckdb', 'matplotlib'} & set(sys.modules)))"
    )

    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)

    assert run.stdout.strip() == ""
