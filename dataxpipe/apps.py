from django.apps import AppConfig


class DataxpipeConfig(AppConfig):
    name = "dataxpipe"
