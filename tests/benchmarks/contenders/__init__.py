"""The programs that we are compared with: each is small and as fast as its kind can be."""
