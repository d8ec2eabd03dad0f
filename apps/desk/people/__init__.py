"""People: find one, and see all that concerns them on one page."""
