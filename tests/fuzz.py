"""Fuzz a running copy of the project with requests generated from the OpenAPI document.

``make fuzz`` runs ``python -m tests.fuzz --examples 1000``. It finds answers that are not
documented, answers that do not fit their schema, invalid requests that are accepted, and every 500.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.journeys.checkout import Checkout
from tests.journeys.processes import BIN, ROOT, bare_environment

# Excluded checks. positive_data_acceptance: ``fuzz_checks`` has it with the codes of errors. The
# status of an answer does not tell that a user does not exist. ignored_auth: registration is open
# in the embedded mode, so a request without a credential is validated by its body.
# use_after_free and ensure_resource_availability: they follow a resource through several calls by
# OpenAPI links, which the document does not have.
LEFT_OUT = (
    "positive_data_acceptance",
    "ignored_auth",
    "use_after_free",
    "ensure_resource_availability",
)
# The rate limits of logins would refuse most requests of the fuzzer.
UNLIMITED = "1000000/m"


def fuzz(folder: Path, *, examples: int, timeout_seconds: float) -> tuple[int, str]:
    """Run schemathesis; return its exit code and its output, with the exceptions of the server."""
    checkout = Checkout(folder)
    running = checkout.run(RATE_LIMIT_LOGIN=UNLIMITED, RATE_LIMIT_NOTIFICATIONS=UNLIMITED)
    try:
        outcome = subprocess.run(  # noqa: S603 - a pinned tool, against loopback.
            [
                f"{BIN}/schemathesis",
                "run",
                f"{checkout.api.base}/api/schema/",
                "--header",
                f"Authorization: Api-Key {checkout.api.key}",
                "--checks=all",
                f"--exclude-checks={','.join(LEFT_OUT)}",
                "--phases=examples,coverage,fuzzing",
                f"--max-examples={examples}",
                # The number of inputs that the generator discards says nothing about the API, and
                # with few examples it is random.
                "--suppress-health-check=filter_too_much",
                "--continue-on-failure",
                "--no-color",
            ],
            cwd=folder,
            env={
                **bare_environment(),
                "SCHEMATHESIS_HOOKS": "tests.fuzz_checks",
                "PYTHONPATH": str(ROOT),
            },
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
    finally:
        running.kill()
    crashes = [line for line in checkout.log.read_text().splitlines() if "request failed" in line]
    return outcome.returncode or len(crashes), "\n".join([outcome.stdout, *crashes])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--timeout", type=float, default=3 * 3600)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        code, printed = fuzz(Path(place), examples=given.examples, timeout_seconds=given.timeout)
    sys.stdout.write(printed)
    sys.exit(code)
