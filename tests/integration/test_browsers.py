"""CORS as a real Chromium sees it: a page of one origin calls the gateway, which is another one."""

import pytest

from support.browser import Browser

REFUSED = {"error": "TypeError"}  # all that a script is told


@pytest.fixture
def browser(tmp_path):
    browser = Browser(tmp_path / "profile")
    yield browser
    browser.close()


@pytest.fixture
def asked(make_function):
    """A function that answers with a header of its own, and what reached it by method and path."""
    return make_function(lambda call: (200, {}, b'{"statusCode":200,"body":"secret","headers":{"X-Own":"1"}}'))


def serve(gateway, function, **rules):
    """For each path what its CORS rule says, None = there is none; every method is a synchronous subscription."""
    gateway.register_function("f", function.url)
    for name, rule in rules.items():
        for method in ("GET", "POST", "PUT"):
            gateway.subscribe("f", "http.request", kind="sync", path=f"/{name}", method=method)
            if rule is not None:
                answer = gateway.config("POST", "/v1/spaces/default/cors",
                                        {"method": method, "path": f"/{name}", **rule})
                assert answer.status_code == 201, answer.text


def reached(function):
    return sorted((call.json()["data"]["method"], call.json()["data"]["path"]) for call in function.received())


def test_simple_requests(gateway, browser, asked):
    serve(gateway, asked, none=None, mine={"allowedOrigins": [browser.origin]}, all={},
          part={"allowedOrigins": ["http://127.0.0.1:*"]}, others={"allowedOrigins": ["https://page.example"]})
    results = browser.fetch([{"url": f"{gateway.events_url}/{name}", "options": {"method": method}}
                             for name in ("none", "mine", "all", "part", "others") for method in ("GET", "POST")])
    for number, is_allowed in enumerate([False, False, True, True, True, True, True, True, False, False]):
        if is_allowed:
            assert (results[number]["status"], results[number]["body"]) == (200, "secret"), number
        else:
            assert results[number] == REFUSED, number
    # A simple request is sent before anybody is asked; only its answer is kept back.
    assert len(reached(asked)) == 10


def test_preflighted_requests(gateway, browser, asked):
    one = {"allowedMethods": ["PUT", "POST"], "allowedHeaders": ["X-One", "content-type"]}
    serve(gateway, asked, none=None, mine={"allowedOrigins": [browser.origin], **one}, all=one,
          others={"allowedOrigins": ["https://page.example"], **one}, methods={**one, "allowedMethods": ["GET"]},
          headers={**one, "allowedHeaders": ["X-Two"]}, every={"allowedMethods": ["*"], "allowedHeaders": ["*"]})

    def put(name, **headers):
        return {"url": f"{gateway.events_url}/{name}",
                "options": {"method": "PUT", "headers": {"X-One": "1", **headers}, "body": "x"}}

    names = ["none", "mine", "all", "others", "methods", "headers", "every"]
    results = browser.fetch([*(put(name) for name in names),
                             put("mine", **{"X-Two": "2"}), put("every", **{"X-Two": "2"}),
                             {"url": f"{gateway.events_url}/mine",
                              "options": {"method": "POST", "headers": {"Content-Type": "application/json"}, "body": "{}"}}])
    allowed = [False, True, True, False, False, False, True, False, True, True]
    assert [result.get("status") == 200 for result in results] == allowed, results
    # What a preflight refuses is never sent.
    assert reached(asked) == sorted([("PUT", "/mine"), ("PUT", "/all"), ("PUT", "/every"), ("PUT", "/every"),
                                     ("POST", "/mine")])


def test_credentials(gateway, browser, asked):
    with_them = {"allowCredentials": True, "allowedMethods": ["*"], "allowedHeaders": ["*"]}
    serve(gateway, asked, mine={"allowedOrigins": [browser.origin], **with_them}, all=with_them, star={},
          others={"allowedOrigins": ["https://page.example"], **with_them})
    results = browser.fetch([
        *({"url": f"{gateway.events_url}/{name}", "options": {"credentials": "include"}}
          for name in ("mine", "all", "star", "others")),
        {"url": f"{gateway.events_url}/mine",
         "options": {"method": "PUT", "credentials": "include", "headers": {"X-One": "1"}}},
        {"url": f"{gateway.events_url}/all", "options": {"credentials": "omit"}},
    ])
    assert [result.get("status") == 200 for result in results] == [True, True, False, False, True, True], results
    cookies = [call.json()["data"]["headers"].get("Cookie") for call in asked.received()]
    assert cookies == ["visitor=ada"] * 5 + [None]


def test_errors_can_be_read_and_headers_are_the_functions_to_show(gateway, browser, make_function):
    broken = make_function(lambda call: (200, {}, b"no object"))
    serve(gateway, broken, mine={"allowedOrigins": [browser.origin]})
    showing = make_function(lambda call: (200, {}, b'{"headers":{"X-Own":"1","X-Shown":"2",'
                                                   b'"Access-Control-Expose-Headers":"X-Shown",'
                                                   b'"Access-Control-Allow-Origin":"https://page.example"}}'))
    gateway.register_function("showing", showing.url)
    gateway.subscribe("showing", "http.request", kind="sync", path="/showing", method="GET")
    gateway.config("POST", "/v1/spaces/default/cors", {"method": "GET", "path": "/showing"})
    results = browser.fetch([{"url": f"{gateway.events_url}/mine"}, {"url": f"{gateway.events_url}/showing"}])
    assert (results[0]["status"], results[0]["body"]) == (500, "HTTP response object malformed")
    assert results[1]["status"] == 200 and results[1]["headers"].get("x-shown") == "2"
    assert "x-own" not in results[1]["headers"]


def test_classic_events_come_from_everywhere(gateway, browser, make_function):
    function = make_function(lambda call: (200, {"Content-Type": "text/plain"}, b"invoked"))
    gateway.register_function("f", function.url)
    results = browser.fetch([
        {"url": gateway.events_url,
         "options": {"method": "POST", "headers": {"Event": "user.created", "Content-Type": "application/json"}, "body": "{}"}},
        {"url": gateway.events_url,
         "options": {"method": "POST", "headers": {"Event": "invoke", "Function-ID": "f"}, "body": "x"}},
        {"url": gateway.events_url,
         "options": {"method": "POST", "headers": {"Event": "invoke", "Function-ID": "g"}, "body": "x"}},
        {"url": gateway.events_url,
         "options": {"method": "POST", "credentials": "include", "headers": {"Event": "user.created"}}},
    ])
    assert results[0]["status"] == 202 and results[0]["headers"]["event-id"]
    assert (results[1]["status"], results[1]["body"]) == (200, "invoked")
    assert results[2]["status"] == 500
    assert results[3] == REFUSED


def test_a_hosted_space_has_its_own_rules(make_gateway, browser, asked, tmp_path):
    """Browsers resolve every name under localhost to this machine."""
    gateway = make_gateway(["dev", "--data", str(tmp_path / "data"), "--hosted-domain", "localhost"])
    for space, origin in (("team1", browser.origin), ("team2", "https://page.example")):
        gateway.register_function("f", asked.url, space)
        gateway.subscribe("f", "http.request", space, "sync", path=f"/{space}/a", method="GET")
        answer = gateway.config("POST", f"/v1/spaces/{space}/cors",
                                {"method": "GET", "path": f"/{space}/a", "allowedOrigins": [origin],
                                 "allowedHeaders": ["X-One"]})
        assert answer.status_code == 201, answer.text
    results = browser.fetch([{"url": f"http://{space}.localhost:{gateway.events_port}/a",
                              "options": {"headers": {"X-One": "1"}}} for space in ("team1", "team2")])
    assert results[0]["status"] == 200 and results[1] == REFUSED
    assert reached(asked) == [("GET", "/team1/a")]
