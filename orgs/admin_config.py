from django.contrib.admin.apps import AdminConfig


class StaffAdminConfig(AdminConfig):
    """Django's admin with a site of our own: apart from `orgs.apps`, where one configuration stands for the app."""

    default_site = "orgs.admin_site.StaffSite"
