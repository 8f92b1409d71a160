from django.db import migrations


def carry(apps, schema_editor):
    for organization in _overridden(apps, schema_editor):
        organization.limit_overrides = {
            resource: {"limit": limit, "reason": "agreed before reasons were kept", "ends_at": None}
            for resource, limit in organization.limit_overrides.items()
            if limit is not None
        }
        organization.save(update_fields=["limit_overrides"])


def carry_no_more(apps, schema_editor):
    """Numbers cannot say unlimited; those go back to the plan's limit."""
    for organization in _overridden(apps, schema_editor):
        organization.limit_overrides = {
            resource: override["limit"]
            for resource, override in organization.limit_overrides.items()
            if override["limit"] is not None
        }
        organization.save(update_fields=["limit_overrides"])


def _overridden(apps, schema_editor):
    organizations = apps.get_model("orgs", "Organization").objects.using(schema_editor.connection.alias)
    return organizations.exclude(limit_overrides={}).order_by("pk")


class Migration(migrations.Migration):
    dependencies = [
        ("orgs", "0008_existing_keys_are_warned_of"),
    ]

    operations = [migrations.RunPython(carry, carry_no_more)]
