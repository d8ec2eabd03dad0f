"""RabbitMQ: its queues, the publisher, the worker's settings."""
