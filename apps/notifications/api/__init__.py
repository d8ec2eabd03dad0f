"""The HTTP API of the pipeline."""
