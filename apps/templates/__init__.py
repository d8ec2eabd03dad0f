"""What is said: templates, their immutable versions and languages, and sandboxed rendering."""
