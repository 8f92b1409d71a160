from django.db import migrations

from dataxpipe.postgres import partitions


class Migration(migrations.Migration):
    """The functions by which partitions are made with the owner's rights."""

    initial = True
    dependencies = []
    operations = [migrations.RunSQL(partitions.CREATE_FUNCTIONS, partitions.DROP_FUNCTIONS)]
