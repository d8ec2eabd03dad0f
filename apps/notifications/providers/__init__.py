"""The providers that send messages: one module or package each, independent of the others."""
