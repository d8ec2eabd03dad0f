"""Who is told: accounts, login, API keys, devices, preferences and suppression.

The pipeline meets this app at ``contacts`` only.
"""
