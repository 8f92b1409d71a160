from tests.routes import ANYBODY, Route

ROUTES = [
    Route("GET /healthz", ANYBODY),
    Route("GET /readyz", ANYBODY),
]
