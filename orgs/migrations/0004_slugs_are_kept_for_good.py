import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """One row per slug ever given, the current one without an end: a unique index keeps former slugs reserved."""

    dependencies = [("orgs", "0003_audit_is_insert_only")]
    operations = [
        migrations.AlterField(
            model_name="organizationslug",
            name="ended_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name="organizationslug",
            name="organization",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="slugs", to="orgs.organization"
            ),
        ),
    ]
