from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("orgs", "0006_reset_mails_are_spaced"),
    ]

    operations = [
        migrations.AddField("apikey", "created_by_kind", models.CharField(blank=True, default="", max_length=10)),
        migrations.AddField("apikey", "warned_days", models.PositiveSmallIntegerField(blank=True, null=True)),
    ]
