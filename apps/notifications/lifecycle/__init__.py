"""The statuses of a notification: their list, their only writer, and the timeline."""
