from tests.routes import ANYBODY, Route

ROUTES = [
    # Believed by its signature alone: tests/billing/test_webhook_signature.py. The tests' server has no secret.
    Route("POST /webhooks/stripe", ANYBODY, answers=503),
]
