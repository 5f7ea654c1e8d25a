"""The Configuration API in both generations: statuses, ids, messages, rules, secrets, persistence, several nodes."""

import base64
import concurrent.futures
import pathlib
import time

from kazoo.client import KazooClient

from conftest import cluster_arguments
from support.gateway import subscription_path, wait_until

KEY = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
SPACE = "/v1/spaces/default"


def message(answer):
    return answer.json()["errors"][0]["message"]


def assert_refused(answer, status, text):
    assert answer.status_code == status, answer.text
    assert text in message(answer), message(answer)


def http_function(function_id, url="http://127.0.0.1:9/", **fields):
    return {"functionId": function_id, "type": "http", "provider": {"url": url}, **fields}


def encoded(text):
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def test_a_functions_life(gateway):
    path = f"{SPACE}/functions"
    answer = gateway.config("POST", path, http_function("f", metadata={"team": "a"}))
    assert answer.status_code == 201
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.json() == {"space": "default", **http_function("f", metadata={"team": "a"})}
    assert_refused(gateway.config("POST", path, http_function("f")), 409, 'Function "f" already registered.')
    listed = gateway.config("GET", path).json()
    assert [one["functionId"] for one in listed["functions"]] == ["f"]
    shown = gateway.config("GET", f"{path}/f")
    assert (shown.status_code, shown.json()) == (200, listed["functions"][0])
    again = gateway.config("PUT", f"{path}/f", shown.json())
    assert again.status_code == 200, "what was listed can be put back whole"
    changed = gateway.config("PUT", f"{path}/f", http_function("f", "http://127.0.0.1:10/x"))
    assert changed.json()["provider"]["url"] == "http://127.0.0.1:10/x"
    assert "metadata" not in changed.json()
    assert gateway.config("DELETE", f"{path}/f").status_code == 204
    for method, body in (("GET", None), ("DELETE", None), ("PUT", http_function("f"))):
        assert_refused(gateway.config(method, f"{path}/f", body), 404, 'Function "f" not found.')


BAD_FUNCTIONS = [
    ({"functionId": "f"}, "Function doesn't validate. Validation error: provider configuration not set"),
    ({"functionId": "f", "type": "nope", "provider": {}}, "provider nope not supported"),
    (http_function("a b"), "Function doesn't validate. Validation error: "),
    (http_function(""), "Function doesn't validate. Validation error: "),
    ({"functionId": "f", "type": "http", "provider": {}}, "Missing required fields for HTTP endpoint."),
    ({**http_function("f"), "color": "red"}, "color"),
    ({"functionId": "f", "type": "http", "provider": {"url": "http://a/", "nope": 1}}, "nope"),
    ({**http_function("f"), "eventFormat": "yaml"}, "eventFormat"),
    ({"functionId": 7, "type": "http", "provider": {"url": "http://a/"}}, "functionId"),
    ({**http_function("f"), "metadata": {"a": 1}}, "metadata"),
]


def test_functions_that_do_not_validate(gateway):
    for body, text in BAD_FUNCTIONS:
        assert_refused(gateway.config("POST", f"{SPACE}/functions", body), 400, text)
    assert gateway.config("GET", f"{SPACE}/functions").json() == {"functions": []}


def test_an_event_types_life(gateway):
    path = f"{SPACE}/eventtypes"
    answer = gateway.config("POST", path, {"name": "user.created"})
    assert (answer.status_code, answer.json()) == (201, {"space": "default", "name": "user.created"})
    assert_refused(gateway.config("POST", path, {"name": "user.created"}), 409,
                   'Event Type "user.created" already exists.')
    assert_refused(gateway.config("POST", path, {"name": "a b"}), 400, "Event Type doesn't validate. Validation error: ")
    assert_refused(gateway.config("POST", path, {"name": "x", "authorizerId": "nobody"}), 400,
                   "Authorizer function doesn't exists.")
    assert gateway.config("PUT", f"{path}/user.created",
                          {"name": "user.created", "authorizerId": "later"}).status_code == 200
    gateway.config("POST", f"{SPACE}/functions", http_function("later"))
    refused = gateway.config("DELETE", f"{SPACE}/functions/later")
    assert refused.status_code == 400
    assert "cannot be deleted because is used as an authorizer for user.created event type." in message(refused)
    assert gateway.config("GET", path).json()["eventTypes"][0]["authorizerId"] == "later"
    assert gateway.config("DELETE", f"{path}/user.created").status_code == 204
    assert_refused(gateway.config("GET", f"{path}/user.created"), 404, 'Event Type "user.created" not found.')
    assert gateway.config("POST", path, {"name": "http.request"}).status_code == 201
    assert gateway.config("DELETE", f"{path}/http.request").status_code == 204


def test_a_subscriptions_life(gateway):
    path = f"{SPACE}/subscriptions"
    body = {"type": "async", "eventType": "t", "functionId": "f"}
    assert_refused(gateway.config("POST", path, body), 400, 'Event Type "t" not found.')
    gateway.register_event_type("t")
    assert_refused(gateway.config("POST", path, body), 400, 'Function "f" not found.')
    gateway.register_function("f", "http://127.0.0.1:9/")
    answer = gateway.config("POST", path, body)
    identity = encoded("async,t,f,%2F,POST")
    assert answer.status_code == 201
    assert answer.json() == {"space": "default", "subscriptionId": identity, **body, "path": "/", "method": "POST"}
    assert_refused(gateway.config("POST", path, body), 409, f'Subscription "{identity}" already exists.')
    assert_refused(gateway.config("DELETE", f"{SPACE}/functions/f"), 400,
                   "Function cannot be deleted because it's subscribed to a least one event.")
    assert_refused(gateway.config("DELETE", f"{SPACE}/eventtypes/t"), 400,
                   "Event type cannot be deleted because there are subscriptions using it.")
    assert gateway.config("PUT", f"{path}/{identity}", {**body, "metadata": {"a": "b"}}).status_code == 200
    for field, name, value in (("path", "Path", "/x"), ("method", "Method", "GET"), ("type", "Type", "sync")):
        assert_refused(gateway.config("PUT", f"{path}/{identity}", {**body, field: value}), 400,
                       f"Invalid update. '{name}' of existing subscription cannot be updated.")
    assert gateway.config("GET", f"{path}/{identity}").json()["metadata"] == {"a": "b"}
    assert gateway.config("DELETE", f"{path}/{identity}").status_code == 204
    assert_refused(gateway.config("GET", f"{path}/{identity}"), 404, f'Subscription "{identity}" not found.')


def test_subscriptions_whose_paths_collide(gateway):
    gateway.register_function("f", "http://127.0.0.1:9/")
    sync = gateway.subscribe("f", "http.request", kind="sync", method="get", path="users/:id")
    assert sync["subscriptionId"] == encoded("sync,http.request,%2Fusers%2F:id,GET")
    assert (sync["method"], sync["path"]) == ("GET", "/users/:id")
    for path in ("/users/me", "/users/:name", "/users/*rest"):
        body = {"type": "sync", "eventType": "http.request", "functionId": "f", "method": "GET", "path": path}
        assert_refused(gateway.config("POST", f"{SPACE}/subscriptions", body), 400, "Subscription path conflict: ")


def test_subscriptions_that_do_not_validate(gateway):
    for fields in ({"type": "later"}, {"method": "FETCH"}, {"eventType": ""}, {"functionId": "a/b"}, {"unknown": 1}):
        body = {"type": "async", "eventType": "t", "functionId": "f", **fields}
        assert_refused(gateway.config("POST", f"{SPACE}/subscriptions", body), 400,
                       "Subscription doesn't validate. Validation error: ")


def test_a_cors_rules_life(gateway):
    path = f"{SPACE}/cors"
    answer = gateway.config("POST", path, {"method": "GET", "path": "/a/b"})
    assert answer.status_code == 201
    assert answer.json() == {"space": "default", "corsId": "GET%2Fa%2Fb", "method": "GET", "path": "/a/b",
                             "allowedOrigins": ["*"], "allowedMethods": ["HEAD", "GET", "POST"],
                             "allowedHeaders": ["Origin", "Accept", "Content-Type"], "allowCredentials": False}
    assert_refused(gateway.config("POST", path, {"method": "GET", "path": "/a/b"}), 409, "already exists.")
    assert gateway.config("GET", f"{path}/GET%252Fa%252Fb").status_code == 200
    assert gateway.config("GET", f"{path}/GET%2Fa%2Fb").status_code == 200, "clients differ in the encoding"
    assert_refused(gateway.config("POST", path, {"method": "GET"}), 400,
                   "CORS configuration doesn't validate. Validation error: ")
    assert gateway.config("PUT", f"{path}/GET%2Fa%2Fb", {"method": "GET", "path": "/a/b",
                                                       "allowedOrigins": ["http://*.x.org"]}).status_code == 200
    assert gateway.config("DELETE", f"{path}/GET%2Fa%2Fb").status_code == 204
    assert gateway.config("GET", f"{path}/GET%2Fa%2Fb").status_code == 404


def test_metadata_filters_must_all_hold(gateway):
    for name, metadata in (("a", {"team": "x", "tier": "1"}), ("b", {"team": "x", "tier": "2"}), ("c", {})):
        gateway.register_function(name, "http://127.0.0.1:9/", metadata=metadata)

    def names(query):
        return [one["functionId"] for one in gateway.config("GET", f"{SPACE}/functions?{query}").json()["functions"]]

    assert names("metadata.team=x") == ["a", "b"]
    assert names("metadata.team=x&metadata.tier=2") == ["b"]
    assert names("metadata.team=y") == []


def test_spaces_are_apart(gateway):
    gateway.register_function("f", "http://127.0.0.1:9/", space="one")
    gateway.register_function("f", "http://127.0.0.1:10/", space="two")
    assert gateway.config("GET", "/v1/spaces/three/functions").json() == {"functions": []}
    assert gateway.config("GET", "/v1/spaces/two/functions/f").json()["provider"]["url"].endswith(":10/")
    assert_refused(gateway.config("POST", "/v1/spaces/ab/functions", http_function("f")), 400, "Space")


def test_the_classic_generation(gateway):
    body = {"functionId": "f", "provider": {"type": "http", "url": "http://127.0.0.1:9/"}}
    answer = gateway.config("POST", "/v1/functions", {**body, "unknown": 1})
    assert (answer.status_code, answer.json()) == (200, body)
    answer = gateway.config("POST", "/v1/functions", body)
    assert (answer.status_code, list(answer.json())) == (400, ["error"])
    assert 'already registered' in answer.json()["error"]
    assert gateway.config("GET", "/v1/functions").json() == {"functions": [body]}
    custom = gateway.config("POST", "/v1/subscriptions", {"functionId": "f", "event": "user.created"})
    assert custom.status_code == 200, custom.text
    assert custom.json()["subscriptionId"] == "user.created,f,%2F"
    http = gateway.config("POST", "/v1/subscriptions",
                          {"functionId": "f", "event": "http", "method": "get", "path": "/hello"})
    assert http.status_code == 200, http.text
    assert http.json()["subscriptionId"] == "http,GET,%2Fhello"
    missing = gateway.config("POST", "/v1/subscriptions", {"functionId": "f", "event": "http"})
    assert missing.status_code == 400
    assert "Missing required fields (method, path) for HTTP event." in missing.json()["error"]
    # The other generation sees them, with the event type that was made.
    assert gateway.config("GET", f"{SPACE}/eventtypes/user.created").status_code == 200
    kinds = {one["type"] for one in gateway.config("GET", f"{SPACE}/subscriptions").json()["subscriptions"]}
    assert kinds == {"sync", "async"}
    assert gateway.config("DELETE", "/v1/subscriptions/user.created%2Cf%2C%252F").status_code == 204
    assert gateway.config("DELETE", "/v1/subscriptions/http,GET,%2Fhello").status_code == 204
    assert gateway.config("DELETE", "/v1/functions/f").status_code == 204
    gone = gateway.config("GET", "/v1/functions/f")
    assert gone.status_code == 404 and "not found" in gone.json()["error"]


def test_classic_functions_get_classic_events(gateway, function):
    gateway.config("POST", "/v1/functions", {"functionId": "f", "provider": {"type": "http", "url": function.url}})
    gateway.config("POST", "/v1/subscriptions", {"functionId": "f", "event": "user.created"})
    assert gateway.emit("user.created", b'{"name":"Ada"}').status_code == 202
    wait_until(function.count, what="the delivery")
    assert set(function.received()[0].json()) == {"event", "id", "receivedAt", "data", "dataType"}


def test_a_put_keeps_our_own_fields_when_they_are_absent(gateway):
    gateway.register_function("f", "http://127.0.0.1:9/", eventFormat="classic", provider={"timeoutMs": 1234})
    gateway.register_event_type("t")
    subscription = gateway.subscribe("f", "t", delivery={"retry": {"maxAttempts": 3}})
    shown = gateway.config("PUT", f"{SPACE}/functions/f", http_function("f", "http://127.0.0.1:10/")).json()
    assert (shown["eventFormat"], shown["provider"]["timeoutMs"]) == ("classic", 1234)
    path = subscription_path(subscription)
    gateway.config("PUT", path, {"type": "async", "eventType": "t", "functionId": "f"})
    assert gateway.config("GET", path).json()["delivery"]["retry"]["maxAttempts"] == 3


def test_wrong_methods_name_the_right_ones(gateway):
    for method, path in (("PATCH", f"{SPACE}/functions"), ("DELETE", f"{SPACE}/functions"),
                         ("POST", f"{SPACE}/functions/f"), ("POST", "/v1/metrics")):
        answer = gateway.config(method, path)
        assert answer.status_code == 405
        assert "GET" in answer.headers["Allow"]


def test_bad_json_and_unknown_paths(gateway):
    answer = gateway.session.post(f"{gateway.config_url}{SPACE}/functions", data=b'{"functionId":', timeout=30)
    assert answer.status_code == 400 and message(answer)
    assert gateway.config("GET", "/v1/spaces/default/nothing").status_code == 404
    assert gateway.config("GET", "/").status_code in (200, 404)
    assert gateway.config("GET", "/v1/status").status_code == 200


def stored_texts(store, arguments, stack, data):
    """Everything that the registry keeps outside of the process."""
    if store == "sqlite":
        return b"".join(path.read_bytes() for path in pathlib.Path(data).rglob("*")
                        if path.is_file() and "key" not in path.name)
    client = KazooClient(hosts=stack.zookeeper)
    client.start()
    texts = []

    def visit(path):
        texts.append(path.encode() + b"=" + (client.get(path)[0] or b""))
        for child in client.get_children(path):
            visit(f"{path.rstrip('/')}/{child}")

    visit("/" + arguments[arguments.index("--zookeeper") + 1].split("/", 1)[1])
    client.stop()
    client.close()
    return b"\n".join(texts)


def test_secrets_are_masked_sealed_and_kept(make_gateway, store, store_arguments, make_function, request, tmp_path):
    key_path = tmp_path / "secrets.key"
    key_path.write_text(KEY)
    key_path.chmod(0o600)
    arguments = [*store_arguments, "--secrets-key-file", str(key_path)]
    gateway = make_gateway(arguments)
    function = make_function()
    provider = {"auth": {"bearer": "TOP-SECRET-TOKEN-1"}, "signing": {"scheme": "standard-webhooks",
                                                               "secret": "whsec_" + base64.b64encode(b"k" * 32).decode()}}
    shown = gateway.register_function("f", function.url, provider=provider)
    assert shown["provider"]["auth"] == {"bearer": "*****"}
    assert shown["provider"]["signing"]["secret"] == "*****"
    assert "TOP-SECRET" not in gateway.config("GET", f"{SPACE}/functions").text
    again = gateway.config("PUT", f"{SPACE}/functions/f", {**shown, "metadata": {"put": "back"}})
    assert again.status_code == 200, again.text
    gateway.register_event_type("t")
    gateway.subscribe("f", "t")
    gateway.emit("t")
    wait_until(function.count, what="the delivery")
    headers = {name.lower(): value for name, value in function.received()[0].headers.items()}
    assert headers["authorization"] == "Bearer TOP-SECRET-TOKEN-1"
    assert headers["webhook-signature"].startswith("v1,")
    stack = request.getfixturevalue("stack") if store == "kafka" else None
    texts = stored_texts(store, store_arguments, stack, tmp_path / "data")
    assert b"functionId" in texts
    assert b"TOP-SECRET" not in texts and base64.b64encode(b"k" * 32) not in texts
    log = gateway.log_path.read_text()
    assert "TOP-SECRET" not in log


def test_the_configuration_outlives_a_restart(make_gateway, store_arguments):
    gateway = make_gateway(store_arguments)
    gateway.register_function("f", "http://127.0.0.1:9/", metadata={"é": "ü"})
    gateway.register_event_type("t")
    gateway.subscribe("f", "t", path="/a/:b")
    gateway.config("POST", f"{SPACE}/cors", {"method": "GET", "path": "/a"})
    paths = ["functions", "eventtypes", "subscriptions", "cors"]
    before = [gateway.config("GET", f"{SPACE}/{path}").json() for path in paths]
    gateway.kill()
    again = make_gateway(store_arguments)
    assert [again.config("GET", f"{SPACE}/{path}").json() for path in paths] == before


def test_a_change_on_one_node_is_seen_on_the_other(make_gateway, stack):
    arguments = cluster_arguments(stack)
    one, two = make_gateway(arguments), make_gateway(arguments)
    slowest = 0
    for number in range(20):
        one.register_function(f"f{number}", "http://127.0.0.1:9/")
        began = time.monotonic()
        wait_until(lambda: two.config("GET", f"{SPACE}/functions/f{number}").status_code == 200, what="the change")
        slowest = max(slowest, time.monotonic() - began)
    print(f"a change is seen by the other node within {slowest * 1000:.1f} ms (slowest of 20)")
    assert two.config("DELETE", f"{SPACE}/functions/f0").status_code == 204
    wait_until(lambda: one.config("GET", f"{SPACE}/functions/f0").status_code == 404, what="the deletion")


def test_of_conflicting_writers_one_wins_and_the_others_are_told(make_gateway, stack):
    arguments = cluster_arguments(stack)
    nodes = [make_gateway(arguments), make_gateway(arguments)]

    def create(number):
        gateway = nodes[number % 2]
        return gateway.session.__class__().post(f"{gateway.config_url}{SPACE}/functions",
                                                json=http_function(f"f{number // 8}", f"http://127.0.0.1:{number + 1}/"),
                                                timeout=30)

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(create, range(64)))
    for group in range(8):
        statuses = sorted(answer.status_code for answer in answers[group * 8:group * 8 + 8])
        assert statuses == [201] + [409] * 7
        winner = next(answer for answer in answers[group * 8:group * 8 + 8] if answer.status_code == 201)
        for node in nodes:
            wait_until(lambda: node.config("GET", f"{SPACE}/functions/f{group}").json() == winner.json(),
                       what="both nodes agree")
