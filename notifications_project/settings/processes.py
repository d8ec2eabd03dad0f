"""The numbers of processes and threads, and the file by which a process shows that it lives."""

from notifications_project.settings import environment

WEB_PROCESSES = environment.WEB_PROCESSES
EMAIL_WORKERS = environment.EMAIL_WORKERS
PUSH_WORKERS = environment.PUSH_WORKERS
WEBHOOK_WORKERS = environment.WEBHOOK_WORKERS
HEARTBEAT_FILE = environment.HEARTBEAT_FILE

# Threads of a web process that process requests. With a single thread a slow request would block
# /health/live. Each thread keeps a database connection.
WEB_THREADS = 8
# Additional threads for uploads. They read a body while it is received, so they may wait for it.
WEB_LARGE_BODY_THREADS = 2
