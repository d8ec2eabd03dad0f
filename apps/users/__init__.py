"""Recipients: accounts, login, API keys, devices, preferences and suppression.

The delivery pipeline uses this app through ``contacts`` only.
"""
