"""The embedded mode: everything in one process, with a demo and a sandbox."""
