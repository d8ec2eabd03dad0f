"""What an installation uses while nothing is requested: processor time, memory, transactions."""

from time import sleep

import psycopg

from tests.benchmarks.bench import Bench
from tests.benchmarks.cpu import memory_mb, meter
from tests.benchmarks.figures import Line, Reading
from tests.benchmarks.pace import Pace

# By then every process has done what it does once at its start, or soon afterwards.
SETTLE_SECONDS = 45
# A server process reports its counts at most once a second.
REPORT_SECONDS = 1.5
# Other rows send none, and leave their worker out.
WITH_WEBHOOKS = {"WEBHOOK_WORKERS": "1"}
COUNT = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = %s"


def measure(bench: Bench, pace: Pace) -> list[Line]:
    """Start the processes of ``make stack``, and measure them while nothing is requested."""
    seconds = 60 * pace.minutes
    with bench.stack(web=2, email=1, push=1, settings=WITH_WEBHOOKS) as stack:
        groups = {name: pid for name in stack.programs() if (pid := stack.pid(name))}
        sleep(SETTLE_SECONDS)
        used, before = meter(groups), transactions(bench)
        sleep(seconds)
        share = used().share()
        each_minute = 60 * (transactions(bench) - before) / seconds
        memory = {name: memory_mb(pid) for name, pid in groups.items()}
    note = (
        f"{100 * sum(share.values()):.2f} % of a core without the servers, and "
        f"{each_minute:.0f} transactions a minute. In % of a core, and MB: "
        + ", ".join(f"{name} {100 * share[name]:.2f}, {memory[name]:.0f}" for name in groups)
    )
    return [Line(row=f"idle for {pace.minutes:g} minutes", ours=Reading(cpu=share), note=note)]


def transactions(bench: Bench) -> int:
    """Return the number of transactions that the database of the stack has ended."""
    sleep(REPORT_SECONDS)
    with psycopg.connect(bench.url("postgres")) as database:
        found = database.execute(COUNT, [bench.database]).fetchone()
    return int(found[0]) if found else 0
