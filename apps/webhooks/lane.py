"""The names of this app on the broker. The pipeline's topology declares the queue."""

LANE = "webhooks"
DELIVER_TASK = "webhooks.deliver"
