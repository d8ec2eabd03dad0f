"""The HTTP face of the pipeline."""
