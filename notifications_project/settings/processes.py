"""How many processes and threads there are, for the arithmetic of connections."""

from notifications_project.settings import environment

WEB_PROCESSES = environment.WEB_PROCESSES
EMAIL_WORKERS = environment.EMAIL_WORKERS
PUSH_WORKERS = environment.PUSH_WORKERS

# Threads of a web process that answer requests. One alone would let a slow request hold up
# /health/live; each keeps a database connection.
WEB_THREADS = 8
# Further ones for uploads, which are read as they come: each may wait for its client.
WEB_LARGE_BODY_THREADS = 2
