"""The applications; `apps.common` at the bottom, `apps.notifications` at the top."""
