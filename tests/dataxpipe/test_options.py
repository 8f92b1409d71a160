"""OPTIONS asks which methods an address offers."""


def test_options_names_the_methods(api, anonymous_api):
    response = api.request("OPTIONS", "/api/v1/pipelines/")
    assert (response.status_code, response["Allow"]) == (204, "GET, POST, HEAD, OPTIONS")
    assert anonymous_api.request("OPTIONS", "/api/v1/pipelines/").status_code == 401
