"""The sizes of windows in which the desk is visited, in CSS pixels, and the roles that visit it."""

ROLES = ("Viewer", "Template editor", "Operator", "Administrator")
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
# What a browser window of 1,280 pixels has left at 200 %.
ZOOMED = {"width": 640, "height": 450}
