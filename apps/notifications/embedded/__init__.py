"""The embedded mode: the whole application in one process, with a demo and a sandbox."""
