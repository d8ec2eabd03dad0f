"""Push notifications by FCM HTTP v1."""
