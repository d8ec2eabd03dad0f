"""Code that all apps share. This package does not import any other app."""
