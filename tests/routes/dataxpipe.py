from tests.routes import ANYBODY, Route

ROUTES = [
    Route("GET /healthz", ANYBODY),
    Route("GET /readyz", ANYBODY),
    Route("GET /api/v1/schema", ANYBODY),
    Route("GET /api/docs", ANYBODY),
    Route("GET /problems/", ANYBODY),
    Route("GET /problems/{slug}", ANYBODY, slug="not-found"),
]
