"""Tells Django which admin site is the project's."""

from django.contrib.admin.apps import AdminConfig


class StaffAdminConfig(AdminConfig):
    """``django.contrib.admin`` with the site of ``staff_site``."""

    default_site = "apps.users.staff.site.StaffSite"
