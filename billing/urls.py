from django.urls import URLPattern, URLResolver, path, re_path

from billing import views
from billing.webhooks import stripe_webhook

urlpatterns: list[URLPattern | URLResolver] = [
    re_path(r"^webhooks/stripe/?$", stripe_webhook, name="stripe_webhook"),
    path("o/<slug>/settings/billing/", views.plan_page, name="plan"),
    path("o/<slug>/settings/billing/checkout", views.checkout, name="checkout"),
    path("o/<slug>/settings/billing/portal", views.portal, name="portal"),
]
