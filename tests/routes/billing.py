from tests.routes import ANYBODY, MEMBER, OWN, Route

ROUTES = [
    # Believed by its signature alone: tests/billing/test_webhook_signature.py. The tests' server has no secret.
    Route("POST /webhooks/stripe", ANYBODY, answers=503),
    # For people alone, and the API knows keys: tests/billing/test_billing_api.py asks as an owner.
    Route("POST /api/v1/billing/checkout", OWN, body={"plan": "team"}, answers=403),
    Route("POST /api/v1/billing/portal", OWN, body={}, answers=403),
    Route("GET /api/v1/billing/subscription", OWN, answers=403),
    Route("GET /o/{slug}/settings/billing/", MEMBER),
    Route("POST /o/{slug}/settings/billing/checkout", OWN, body={"plan": "business"}),
    Route("POST /o/{slug}/settings/billing/portal", OWN),
]
