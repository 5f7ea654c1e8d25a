"""Functions of Azure, Google Cloud and OpenWhisk, against stubs that check requests to the letter; and the JSON
Schema of functions against what the Configuration API takes, for every provider."""

import base64
import json
import pathlib
import subprocess
import time
import urllib.parse

import jsonschema
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from google.auth.transport import requests as google_requests
from google.oauth2 import service_account

from support.gateway import ROOT, wait_until

SPACE = "/v1/spaces/default"
JSON = {"Content-Type": "application/json"}
EVENT = {"specversion": "1.0", "type": "t", "source": "/s", "id": "1", "datacontenttype": "application/json",
         "data": {"name": "Zoë", "big": 12345678901234567890}}


@pytest.fixture
def store():
    """What is sent does not depend on it."""
    return "sqlite"


def headers_of(call):
    return {name.lower(): value for name, value in call.headers.items()}


def deliver(gateway, function_id, **fields):
    """One event to the function, by a subscription; returns when its delivery is finished."""
    gateway.register_event_type("t")
    gateway.subscribe(function_id, "t", **fields)
    answer = gateway.send("POST", "/", json.dumps(EVENT).encode(), {"Content-Type": "application/cloudevents+json"})
    assert answer.status_code == 202, answer.text
    wait_until(lambda: sum(value for name, value in gateway.metrics().items()
                           if name.startswith("eventgateway_deliveries_total")) == 1, what="the end of the delivery")
    return next(name for name, value in gateway.metrics().items()
                if name.startswith("eventgateway_deliveries_total") and value == 1).split('"')[1]


def assert_secret(gateway, *secrets):
    shown = gateway.config("GET", f"{SPACE}/functions").text
    stored = b"".join(path.read_bytes() for path in pathlib.Path(gateway.arguments[2]).rglob("*")
                      if path.is_file() and "key" not in path.name)
    for secret in secrets:
        assert secret not in shown and "*****" in shown
        assert secret.encode() not in stored
        assert secret not in gateway.log_path.read_text()


# --- Azure


def test_an_azure_function(gateway, function):
    gateway.register("f", "azurefunction", {"url": function.url + "api/hello?clientId=a%2Fb", "key": "SECRET-KEY=="})
    assert deliver(gateway, "f") == "delivered"
    call = function.received()[0]
    assert (call.method, call.path) == ("POST", "/api/hello?clientId=a%2Fb")
    headers = headers_of(call)
    assert headers["x-functions-key"] == "SECRET-KEY=="
    assert headers["content-type"] == "application/cloudevents+json"
    assert headers["event-gateway-attempt"] == "1" and headers["traceparent"]
    assert b"12345678901234567890" in call.body and call.json()["data"] == EVENT["data"]
    function.answer = lambda call: (200, {"Content-Type": "text/plain"}, b"hi")
    answer = gateway.invoke("f")
    assert (answer.status_code, answer.text, answer.headers["Content-Type"]) == (200, "hi", "text/plain")
    function.answer = lambda call: (401, {}, b"")
    answer = gateway.invoke("f")
    assert answer.status_code == 500 and "Please provide a valid key." in answer.text
    assert_secret(gateway, "SECRET-KEY")


def test_an_azure_logic_app(gateway, function):
    path = "/workflows/0a/triggers/manual/paths/invoke?api-version=2016-10-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=S-_e%2Bc3"
    shown = gateway.register("f", "azurelogicapp", {"url": function.url.rstrip("/") + path})
    assert shown["provider"] == {"url": "*****"}
    function.answer = lambda call: (202, {}, b"")
    assert deliver(gateway, "f") == "delivered"
    call = function.received()[0]
    assert (call.method, call.path) == ("POST", path)
    assert call.json()["data"] == EVENT["data"]
    function.answer = lambda call: (401, {}, b'{"error":{"code":"AuthorizationFailed","message":"no"}}')
    answer = gateway.invoke("f")
    assert answer.status_code == 500 and "signature is not valid" in answer.text
    # Put back as it is shown: the stored one is kept.
    assert gateway.config("PUT", f"{SPACE}/functions/f", {**shown, "metadata": {"a": "b"}}).status_code == 200
    function.answer = lambda call: (200, {}, b'{"statusCode":201,"body":"made"}')
    gateway.subscribe("f", "http.request", kind="sync", path="/made")
    assert gateway.send("POST", "/made").text == "made"
    assert_secret(gateway, "S-_e%2Bc3")


# --- OpenWhisk


class OpenWhisk:
    """Answers as its controller does. The action "slow" outlives the blocking wait, "bad" fails, others echo."""

    def __call__(self, call):
        url = urllib.parse.urlsplit(call.path)
        assert call.method == "POST" and url.path.startswith("/api/v1/namespaces/")
        if headers_of(call)["authorization"] != "Basic " + base64.b64encode(b"uuid:SECRET-PASS").decode():
            return 401, JSON, b'{"error":"The supplied authentication is invalid."}'
        assert headers_of(call)["content-type"].partition(";")[0] == "application/json"
        arguments = json.loads(call.body)
        assert isinstance(arguments, dict)
        name = url.path.split("/actions/")[1]
        if urllib.parse.parse_qs(url.query)["blocking"] == ["false"] or name == "slow":
            return 202, JSON, b'{"activationId":"1"}'
        response = {"status": "success", "success": True, "result": {"statusCode": 201, "body": arguments["type"]}}
        if name == "pkg/bad":
            response = {"status": "application error", "success": False, "result": {"error": "no such user"}}
        activation = {"activationId": "1", "name": name, "response": response}
        return (200 if response["success"] else 502), JSON, json.dumps(activation).encode()


def openwhisk(function, action, **fields):
    return {"apiHost": function.url, "action": action, "auth": "uuid:SECRET-PASS", **fields}


def test_an_openwhisk_action(gateway, make_function):
    function = make_function(OpenWhisk())
    gateway.register("f", "openwhisk", openwhisk(function, "hello"), eventFormat="cloudevents-binary/1.0")
    assert gateway.invoke("f").json() == {"statusCode": 201, "body": "invoke"}
    gateway.subscribe("f", "http.request", kind="sync", path="/made")
    answer = gateway.send("POST", "/made")
    assert (answer.status_code, answer.text) == (201, "http.request")
    assert deliver(gateway, "f") == "delivered"
    assert function.received()[-1].json()["data"] == EVENT["data"]
    assert_secret(gateway, "SECRET-PASS", base64.b64encode(b"uuid:SECRET-PASS").decode())


def test_openwhisk_actions_that_fail_or_take_their_time(gateway, make_function):
    function = make_function(OpenWhisk())
    gateway.register("bad", "openwhisk", openwhisk(function, "pkg/bad"))
    gateway.register("slow", "openwhisk", openwhisk(function, "slow"))
    gateway.register("wrong", "openwhisk", openwhisk(function, "hello", auth="uuid:x"))
    for name in ("bad", "slow"):
        answer = gateway.invoke(name)
        assert (answer.status_code, answer.text) == (500, "Function call failed. Please check logs.")
    assert "Please provide a valid key." in gateway.invoke("wrong").text
    log = gateway.log_path.read_text()
    assert "no such user" in log and "takes longer than OpenWhisk lets callers wait" in log
    assert deliver(gateway, "slow") == "delivered", "it goes on over there"


def test_an_openwhisk_delivery_that_does_not_wait(gateway, make_function):
    function = make_function(OpenWhisk())
    gateway.register("f", "openwhisk", openwhisk(function, "hello", blocking=False))
    assert deliver(gateway, "f") == "delivered"
    assert gateway.invoke("f").status_code == 200
    assert [call.path.split("?")[1] for call in function.received()] == ["blocking=false", "blocking=true"]


def test_openwhisk_is_called_as_its_own_client_calls_it(gateway, make_function):
    function = make_function(OpenWhisk())
    calls = [{"name": "hello", "blocking": True}, {"name": "pkg/bad", "blocking": True},
             {"name": "two words", "namespace": "my org", "blocking": True}]
    for number, call in enumerate(calls):
        fields = {"namespace": call["namespace"]} if "namespace" in call else {}
        gateway.register(f"f{number}", "openwhisk", openwhisk(function, call["name"], **fields))
        gateway.invoke(f"f{number}")
    ours = function.received()
    function.clear()
    given = json.dumps([{**call, "params": one.json()} for call, one in zip(calls, ours, strict=True)])
    result = subprocess.run(["node", ROOT / "tests/node/openwhisk_invoke.js", function.url, "uuid:SECRET-PASS"],
                            input=given, capture_output=True, text=True, timeout=60, check=True)
    # What it makes of the same answers is what our callers get.
    assert json.loads(result.stdout)[:2] == [gateway.invoke("f0").json(), "error"]
    for own, theirs in zip(ours, function.received(), strict=False):
        assert (own.method, own.path, own.json()) == (theirs.method, theirs.path, theirs.json())
        assert headers_of(own)["authorization"] == headers_of(theirs)["authorization"]


# --- Google Cloud


class Google:
    """The token endpoint and the function behind Google's front end, each checking what it gets."""

    def __init__(self):
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.function = None
        self.tokens = []
        self.lifetime_s = 3600

    def account(self, key=None):
        pem = (key or self.key).private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                              serialization.NoEncryption()).decode()
        return json.dumps({"type": "service_account", "client_email": "eg@p.iam.gserviceaccount.com",
                           "private_key_id": "k1", "private_key": pem, "token_uri": self.function.url + "token"})

    def __call__(self, call):
        if call.path == "/token":
            return self._token(call)
        if headers_of(call).get("authorization") not in [f"Bearer {token}" for token in self.tokens]:
            return 403, {"WWW-Authenticate": 'Bearer error="insufficient_scope"'}, b"<html>"
        return 200, {"Content-Type": "application/json"}, call.body

    def _token(self, call):
        assert headers_of(call)["content-type"] == "application/x-www-form-urlencoded"
        form = urllib.parse.parse_qs(call.body.decode(), strict_parsing=True)
        assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
        header, claims, signature = form["assertion"][0].split(".")
        try:
            self.key.public_key().verify(self._decoded(signature), f"{header}.{claims}".encode(), padding.PKCS1v15(),
                                         hashes.SHA256())
        except Exception:  # pylint: disable=broad-except
            return 400, {}, b'{"error":"invalid_grant","error_description":"Invalid JWT Signature."}'
        assert json.loads(self._decoded(header)) == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
        claims = json.loads(self._decoded(claims))
        assert claims["iss"] == claims.get("sub", claims["iss"]) == "eg@p.iam.gserviceaccount.com"
        # Google's own library says its usual place, whatever the key file names.
        assert claims["aud"] in (self.function.url + "token", "https://oauth2.googleapis.com/token")
        assert claims["target_audience"] == self.function.url + "hello"
        assert abs(claims["iat"] - time.time()) < 300 and claims["exp"] == claims["iat"] + 3600
        body = json.dumps({"exp": int(time.time()) + self.lifetime_s, "aud": claims["target_audience"]}).encode()
        token = f"e30.{base64.urlsafe_b64encode(body).decode().rstrip('=')}.SECRET-{len(self.tokens)}"
        self.tokens.append(token)
        return 200, {}, json.dumps({"id_token": token}).encode()

    def claims(self, call):
        return json.loads(self._decoded(urllib.parse.parse_qs(call.body.decode())["assertion"][0].split(".")[1]))

    @staticmethod
    def _decoded(part):
        assert "=" not in part
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


@pytest.fixture
def google(make_function):
    server = Google()
    server.function = make_function(server)
    return server


def test_a_google_function_gets_a_token_that_is_kept(gateway, google):
    gateway.register("f", "gcf", {"url": google.function.url + "hello?a=%2F", "serviceAccount": google.account()})
    assert gateway.invoke("f").json()["type"] == "invoke"
    assert deliver(gateway, "f") == "delivered"
    for _ in range(20):
        assert gateway.invoke("f").status_code == 200
    # Each of the gateway's loops has its own.
    fetched = len(google.tokens)
    assert 1 <= fetched < 10
    assert google.function.received()[-1].path == "/hello?a=%2F"
    assert_secret(gateway, "SECRET-0", "PRIVATE KEY", google.account().split("-----")[2][:60])


def test_a_google_token_that_ends_is_fetched_anew(gateway, google):
    google.lifetime_s = 200
    gateway.register("f", "gcf", {"url": google.function.url + "hello", "serviceAccount": google.account()})
    for _ in range(5):
        assert gateway.invoke("f").status_code == 200
    assert len(google.tokens) == 5


def test_googles_own_library_asks_for_the_same_token(gateway, google):
    """The stub takes what Google's library sends; ours carries the same claims."""
    credentials = service_account.IDTokenCredentials.from_service_account_info(
        json.loads(google.account()), target_audience=google.function.url + "hello")
    credentials.refresh(google_requests.Request())
    gateway.register("f", "gcf", {"url": google.function.url + "hello", "serviceAccount": google.account()})
    assert gateway.invoke("f").status_code == 200
    theirs, own = [google.claims(call) for call in google.function.received() if call.path == "/token"]
    assert set(theirs) <= set(own)
    assert [theirs[name] for name in ("iss", "target_audience")] == [own[name] for name in ("iss", "target_audience")]
    assert theirs["exp"] - theirs["iat"] == own["exp"] - own["iat"]


def test_google_functions_that_are_refused(gateway, google):
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    gateway.register("public", "gcf", {"url": google.function.url + "hello"})
    gateway.register("other", "gcf", {"url": google.function.url + "hello", "serviceAccount": google.account(other)})
    assert "grant it the role of an invoker" in gateway.invoke("public").text
    assert "(invalid_grant: Invalid JWT Signature.)" in gateway.invoke("other").text
    assert deliver(gateway, "other", delivery={"retry": {"initialMs": 50, "maxMs": 50, "maxAttempts": 3}}) == \
        "dead_lettered"
    tokens = [call for call in google.function.received() if call.path == "/token"]
    assert len(tokens) == 1 + 3, "tried again: somebody may repair the key"


# --- schema


PROVIDERS = {
    "http": ({"url": "http://127.0.0.1:9/", "timeoutMs": 1, "http2": True, "auth": {"bearer": "t"}}, {"timeoutMs": 0},
             {"url": "ftp://x"}, {"url": None}, {"http2": 1}),
    "awslambda": ({"arn": "f", "region": "eu-west-1", "invocationType": "Event"}, {"arn": None}, {"region": None},
                  {"invocationType": "DryRun"}, {"endpoint": "x"}),
    "awskinesis": ({"streamName": "s", "region": "eu-west-1"}, {"streamName": None}, {"streamName": ""}),
    "awsfirehose": ({"deliveryStreamName": "s", "region": "eu-west-1"}, {"deliveryStreamName": None}),
    "awssqs": ({"queueUrl": "https://sqs.eu-west-1.amazonaws.com/1/q", "region": "eu-west-1"}, {"queueUrl": 1}),
    "awsstepfunctions": ({"stateMachineArn": "arn:aws:states:eu-west-1:1:stateMachine:m", "region": "eu-west-1",
                          "express": True}, {"stateMachineArn": None}, {"express": "yes"}, {"region": None}),
    "azurefunction": ({"app": "a", "function": "f", "key": "k"}, {"app": None}, {"url": "http://x/"}, {"app": "a.b"}),
    "azurelogicapp": ({"url": "https://x/?sig=1"}, {"url": None}, {"timeoutMs": 900001}),
    "gcf": ({"url": "https://x/f"}, {"url": "x"}, {"serviceAccount": 1}),
    "openwhisk": ({"apiHost": "h", "action": "p/a", "auth": "u:k", "blocking": False}, {"apiHost": None},
                  {"action": "a/b/c"}, {"auth": None}, {"blocking": "no"}),
    "weighted": ({"weighted": [{"functionId": "http", "weight": 1}]}, {"weighted": []}, {"weighted": None},
                 {"weighted": [{"weight": 1}]}, {"weighted": [{"functionId": "http", "weight": -1}]}),
    "emulator": ({"emulatorUrl": "http://127.0.0.1:9/", "apiVersion": "v0"}, {"apiVersion": "v1"}, {"emulatorUrl": "x"}),
}


def test_the_schema_says_what_the_api_takes(gateway):
    schema = json.loads((ROOT / "schemas/function.json").read_text())
    assert sorted(PROVIDERS) == sorted(schema["properties"]["type"]["examples"])
    validator = jsonschema.Draft202012Validator(schema)
    for kind, (good, *changes) in PROVIDERS.items():
        shown = gateway.register(kind, kind, good)
        validator.validate({"functionId": kind, "type": kind, "provider": good})
        validator.validate(shown)
        for change in changes:
            bad = {name: value for name, value in {**good, **change}.items() if value is not None}
            document = {"functionId": "bad", "type": kind, "provider": bad}
            assert not validator.is_valid(document), document
            answer = gateway.config("POST", f"{SPACE}/functions", document)
            assert answer.status_code == 400, document
