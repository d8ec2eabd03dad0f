"""The studio: templates are drafts first, tried out while typing, and reviewed before release."""
