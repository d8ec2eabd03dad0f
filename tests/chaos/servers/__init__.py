"""PostgreSQL, RabbitMQ and Redis of our own, on free ports with data in a folder."""
