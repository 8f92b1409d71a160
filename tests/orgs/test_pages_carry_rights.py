from django.urls import URLPattern, URLResolver, get_resolver

from orgs.permissions import Role


def patterns(resolver, prefix=""):
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            yield from patterns(pattern, prefix + str(pattern.pattern))
        elif isinstance(pattern, URLPattern):
            yield prefix + str(pattern.pattern), pattern.callback


def test_every_page_of_an_organization_says_who_may_open_it():
    pages = [(path, view) for path, view in patterns(get_resolver()) if path.startswith("o/")]
    assert pages
    assert [path for path, view in pages if not isinstance(getattr(view, "required_role", None), Role)] == []


def test_every_page_of_an_organization_is_found_by_its_slug():
    paths = [path for path, _ in patterns(get_resolver()) if path.startswith("o/")]
    assert [path for path in paths if not path.startswith("o/<slug>/")] == []
