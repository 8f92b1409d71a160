from billing.models.checkout_session import CheckoutSession
from billing.models.stripe_event import EventState, StripeEvent
from billing.models.subscription import Subscription

__all__ = ["CheckoutSession", "EventState", "StripeEvent", "Subscription"]
