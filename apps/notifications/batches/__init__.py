"""Many notifications asked for together, made in the background in slices that survive a kill."""
