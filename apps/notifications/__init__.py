"""The pipeline: from an accepted request to the provider's answer. `ls` is the data flow."""
