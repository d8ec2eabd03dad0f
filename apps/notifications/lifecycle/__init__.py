"""The statuses of a notification: which there are, who may write them, how they are told."""
