"""PostgreSQL, RabbitMQ and Redis for the tests, on free ports with their data in a folder."""
