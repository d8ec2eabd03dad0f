"""Message templates: immutable versions in several languages, and sandboxed rendering."""
