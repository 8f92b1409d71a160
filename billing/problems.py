"""What can go wrong with Stripe, by name."""

from __future__ import annotations

from dataxpipe.problems import Problem, ServiceUnavailable


class BillingUnavailable(ServiceUnavailable):
    slug = "billing-unavailable"
    title = "The payment service does not answer"
    about = "Stripe is down, slow or refuses this server. Nothing was charged or changed here; try again later."


class BillingNotConfigured(Problem):
    status = 503
    slug = "billing-not-configured"
    title = "Billing is not set up here"
    about = (
        "This server has no Stripe keys, or no price for the plan. Everything but buying a plan works; whoever runs "
        "the server can change an organization's plan."
    )


class WebhookSignatureInvalid(Problem):
    slug = "webhook-signature-invalid"
    title = "The signature does not fit"
    about = (
        "A webhook is signed by Stripe over its raw body with one of the secrets in `STRIPE_WEBHOOK_SECRET`, not "
        "longer than five minutes ago. Nothing of it was stored."
    )


class StripeRefused(BillingUnavailable):
    """Stripe understood the request and refuses it. `code` and `parameter` are Stripe's."""

    slug = "billing-refused"
    title = "The payment service refuses the request"
    about = "Stripe answered that the request cannot be done. The server's log holds its reason under the request id."

    def __init__(self, detail: str, *, code: str = "", parameter: str = "") -> None:
        super().__init__(detail, headers={"Retry-After": "60"})
        self.code, self.parameter = code, parameter

    @property
    def is_about_the_customer(self) -> bool:
        """The customer is gone: deleted in Stripe, or made with the keys of another account."""
        return self.code == "resource_missing" and self.parameter in {"customer", "id"}
