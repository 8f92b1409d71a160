"""A pretend Stripe for development and tests: nothing is charged, and nobody outside this machine reaches it.

It answers the part of Stripe's HTTP API that billing uses, has a Checkout, a Portal and a page of switches that one can
click through, and sends signed webhooks. Its state is one SQLite file in the data directory.
"""
