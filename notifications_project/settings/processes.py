"""How many processes and threads there are, for the arithmetic of connections."""

from notifications_project.settings import environment

WEB_PROCESSES = environment.WEB_PROCESSES
EMAIL_WORKERS = environment.EMAIL_WORKERS
PUSH_WORKERS = environment.PUSH_WORKERS

# Threads of a web process that answer requests; docker/stack.conf and docker/entrypoint.sh say the
# same. One alone would let a slow request hold up /health/live; each keeps a database connection.
WEB_BLOCKING_THREADS = 8
