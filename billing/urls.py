from django.urls import URLPattern, URLResolver, re_path

from billing.webhooks import stripe_webhook

urlpatterns: list[URLPattern | URLResolver] = [
    re_path(r"^webhooks/stripe/?$", stripe_webhook, name="stripe_webhook"),
]
