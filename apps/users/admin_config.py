"""The configuration of Django's admin, with the project's admin site."""

from django.contrib.admin.apps import AdminConfig


class StaffAdminConfig(AdminConfig):
    """``django.contrib.admin`` with the site of ``apps.users.staff.site``."""

    default_site = "apps.users.staff.site.StaffSite"
