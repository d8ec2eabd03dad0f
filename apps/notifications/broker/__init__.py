"""RabbitMQ: the queues, the publisher and the worker's signal handlers."""
