"""What the AWS providers send and make of answers: signatures against botocore's own computation over the request
as it arrived, and a stub for the answers that the emulator cannot give."""

import base64
import datetime
import json
import random
import subprocess
import time
import urllib.parse

import pytest

from support.aws import REGION, expected_authorization
from support.gateway import BINARY, wait_until

KEYS = {"awsAccessKeyId": "AKIDEXAMPLE", "awsSecretAccessKey": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
TOKEN = {**KEYS, "awsSessionToken": "IQoJb3JpZ2luX2VjE//token+with/signs=="}
SIGNER = BINARY.parent / "tests/sign_requests"


@pytest.fixture
def store():
    """What is sent does not depend on it."""
    return "sqlite"


def provider(function, keys=None, path="", **fields):
    return {"region": REGION, "endpoint": function.url.rstrip("/") + path, **(keys or KEYS), **fields}


def attempts(gateway, outcome):
    return gateway.metrics().get(f'eventgateway_delivery_attempts_total{{outcome="{outcome}"}}', 0)


def deliveries(gateway, outcome):
    return gateway.metrics().get(f'eventgateway_deliveries_total{{outcome="{outcome}"}}', 0)


# --- signatures


def assert_signed(function, call, keys, service):
    headers = {name.lower(): value for name, value in call.headers.items()}
    assert headers["authorization"] == expected_authorization(
        call.method, function.url.rstrip("/") + call.path, headers, call.body, keys, service)
    assert headers.get("x-amz-security-token") == keys.get("awsSessionToken")


@pytest.mark.parametrize("keys", [KEYS, TOKEN], ids=["key", "token"])
def test_calls_are_signed_as_botocore_signs_them(gateway, function, keys):
    arns = ["f", "a-b_C9", "f:1", "f:live", "f:$LATEST", "123456789012:function:f",
            "arn:aws:lambda:eu-west-1:123456789012:function:f", "arn:aws-cn:lambda:cn-north-1:1:function:f:7",
            "arn:aws:lambda:eu-west-1:123456789012:function:f:live", "with blank", "percent%3Asign", "a/b", "ü~.*'()", ".", ".."]
    bodies = [b"", b"{}", "Zoë 😀 \u2028".encode(), bytes(range(256)), b"x" * 900_000]
    sent = 0
    for number, arn in enumerate(arns):
        for prefix in ("", "/a//./prefix"):
            name = f"f{number}{prefix.replace('/', '_')}"
            gateway.register(name, "awslambda", provider(function, keys, prefix, arn=arn))
            answer = gateway.invoke(name, bodies[number % len(bodies)], "application/octet-stream")
            assert answer.status_code == 200
            sent += 1
    gateway.register("kinesis", "awskinesis", provider(function, keys, streamName="s"))
    gateway.register("firehose", "awsfirehose", provider(function, keys, deliveryStreamName="s"))
    gateway.register("sqs", "awssqs", provider(function, keys, queueUrl="https://sqs.eu-west-1.amazonaws.com/1/q"))
    machine = "arn:aws:states:eu-west-1:1:stateMachine:m:live"
    gateway.register("states", "awsstepfunctions", provider(function, keys, stateMachineArn=machine))
    for name in ("kinesis", "firehose", "sqs", "states"):
        for body in bodies:
            assert gateway.invoke(name, body, "application/octet-stream").status_code == 200
            sent += 1
    calls = function.received()
    assert len(calls) == sent == len(arns) * 2 + 20
    for call in calls:
        target = {name.lower(): value for name, value in call.headers.items()}.get("x-amz-target", "")
        service = {"": "lambda", "Kin": "kinesis", "Fir": "firehose", "Ama": "sqs", "AWS": "states"}[target[:3]]
        assert_signed(function, call, keys, service)
    for arn, call in zip(arns[:-2], calls[::2], strict=False):
        assert call.path == f"/2015-03-31/functions/{urllib.parse.quote(arn, safe='')}/invocations"


def random_request(chance):
    """Anything that may be sent: odd paths and queries, blanks in values, empty and binary bodies."""
    letters = "abcABC019-._~!*'()@:$&+,;= /?%é😀\t"

    def text(most):
        return "".join(chance.choice(letters) for _ in range(chance.randrange(most)))

    path = "/" + "/".join(filter(None, (urllib.parse.quote(text(12), safe="-._~") for _ in range(chance.randrange(5)))))
    query = "&".join(urllib.parse.quote(text(8), safe="-._~") + (
        "=" + urllib.parse.quote(text(8), safe="-._~") if chance.random() < 0.8 else "")
                     for _ in range(chance.randrange(5)))
    names = chance.sample(["Content-Type", "X-Amz-Target", "X-Amz-Invocation-Type", "x-odd", "X-odd-b", "A", "Zz"],
                          chance.randrange(6))
    printable = "abc XYZ  \"\t;=,/0"
    headers = [(name, "".join(chance.choice(printable) for _ in range(chance.randrange(20)))) for name in names]
    body = chance.randbytes(chance.choice([0, 0, 1, 55, 64, 65, 1000, 100_000 if chance.random() < 0.05 else 10]))
    return path, query, headers, body


def test_random_requests_are_signed_as_botocore_signs_them():
    chance = random.Random(20261125)
    lines, wanted = [], []
    for _ in range(2000):
        path, query, headers, body = random_request(chance)
        keys = {"awsAccessKeyId": f"AK{chance.randrange(10**9)}", "awsSecretAccessKey": f"s/+{chance.random()}"}
        if chance.random() < 0.5:
            keys["awsSessionToken"] = base64.b64encode(chance.randbytes(chance.randrange(1, 300))).decode()
        region = chance.choice(["eu-west-1", "us-gov-east-1"])
        service = chance.choice(["lambda", "sqs", "states"])
        host = chance.choice(["lambda.eu-west-1.amazonaws.com", "127.0.0.1:5000", "localhost:80443"])
        seconds = chance.randrange(1_000_000_000, 4_000_000_000)
        date = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")

        def encoded(value):
            return base64.b64encode(value if isinstance(value, bytes) else value.encode()).decode()

        lines.append(json.dumps({
            "key": keys["awsAccessKeyId"], "secret": keys["awsSecretAccessKey"], "token": keys.get("awsSessionToken"),
            "region": region, "service": service, "method": "POST", "host": host, "path": encoded(path),
            "query": encoded(query), "headers": [[encoded(name), encoded(value)] for name, value in headers],
            "body": encoded(body), "time_us": seconds * 1_000_000}))
        all_headers = dict(headers) | {"Host": host, "X-Amz-Date": date}
        if "awsSessionToken" in keys:
            all_headers["X-Amz-Security-Token"] = keys["awsSessionToken"]
        signed = ";".join(sorted(name.lower() for name in all_headers))
        all_headers["Authorization"] = f"SignedHeaders={signed}"
        url = f"https://{host}{path}" + (f"?{query}" if query else "")
        wanted.append(f"{date} " + expected_authorization("POST", url, all_headers, body, keys, service, region))
    got = subprocess.run([SIGNER], input="\n".join(lines), capture_output=True, text=True, timeout=120, check=True)
    for line, answer, expected in zip(lines, got.stdout.splitlines(), wanted, strict=True):
        assert answer == expected, line


def test_express_state_machines_give_their_output(gateway, function):
    gateway.register("f", "awsstepfunctions", provider(function, stateMachineArn="arn:m", express=True))
    gateway.subscribe("f", "http.request", kind="sync", path="/made")
    output = json.dumps({"statusCode": 201, "body": "made"})
    function.answer = lambda call: (200, {}, json.dumps({"status": "SUCCEEDED", "output": output}).encode())
    assert gateway.invoke("f").text == output
    answer = gateway.send("POST", "/made")
    assert (answer.status_code, answer.text) == (201, "made")
    for call in function.received():
        assert_signed(function, call, KEYS, "states")
        assert call.headers["X-Amz-Target"] == "AWSStepFunctions.StartSyncExecution"
        assert set(call.json()) == {"stateMachineArn", "input"} and json.loads(call.json()["input"])["specversion"]
    function.answer = lambda call: (200, {}, b'{"status":"FAILED","error":"NoSuchUser","cause":"nobody there"}')
    answer = gateway.invoke("f")
    assert (answer.status_code, answer.text) == (500, CHECK)
    assert "the execution failed (FAILED): NoSuchUser: nobody there" in gateway.log_path.read_text()


# --- answers

CHECK = "Function call failed. Please check logs."
ADVICE = {
    "AccessDeniedException": "The provided credentials do not have the required IAM permissions to invoke this "
                             "function. Please attach the lambda:invokeFunction permission to these credentials.",
    "UnrecognizedClientException": "The provided credentials are invalid. Please provide valid credentials.",
    "ExpiredTokenException": "The provided security token for the function has expired. Please provide an updated "
                             "security token or provide permanent credentials.",
}


@pytest.fixture
def lambda_function(gateway, function):
    """A Lambda function with a sync subscription at /call and an asynchronous one of t; the stub is function."""
    gateway.register("f", "awslambda", provider(function, arn="f"))
    gateway.register_event_type("t")
    gateway.subscribe("f", "http.request", kind="sync", path="/call")
    gateway.subscribe("f", "t", delivery={"retry": {"initialMs": 50, "maxMs": 50, "maxAttempts": 3}})
    return function


def sync_answers(gateway):
    return [(answer.status_code, answer.text) for answer in (gateway.invoke("f"), gateway.send("POST", "/call"))]


@pytest.mark.parametrize("code", list(ADVICE))
def test_refused_credentials_say_what_to_do(gateway, lambda_function, code):
    lambda_function.answer = lambda call: (403, {"X-Amzn-ErrorType": f"{code}:http://internal.amazon.com/"},
                                           b'{"Message":"no"}')
    assert sync_answers(gateway) == [(500, f"Function call failed with {code}. {ADVICE[code]}")] * 2
    lambda_function.clear()
    gateway.emit("t")
    wait_until(lambda: deliveries(gateway, "dead_lettered") == 1, what="the dead letter")
    assert lambda_function.count() == 3, "somebody may repair the credentials: tried again"


def test_a_function_that_fails_fails_although_its_status_is_200(gateway, lambda_function):
    lambda_function.answer = lambda call: (200, {"X-Amz-Function-Error": "Unhandled"},
                                           b'{"errorMessage":"no such user","errorType":"KeyError"}')
    assert sync_answers(gateway) == [(500, CHECK)] * 2
    assert "the function failed (Unhandled): KeyError: no such user" in gateway.log_path.read_text()
    lambda_function.clear()
    gateway.emit("t")
    wait_until(lambda: deliveries(gateway, "dead_lettered") == 1, what="the dead letter")
    assert (lambda_function.count(), deliveries(gateway, "delivered")) == (3, 0)


def test_throttling_is_waited_for(gateway, lambda_function):
    """The first attempt is told to wait a second; by its own policy it would come 50 ms later."""
    answers = iter([(429, {"X-Amzn-ErrorType": "TooManyRequestsException"}, b'{"retryAfterSeconds":"1"}')])
    times = []

    def answer(_call):
        times.append(time.monotonic())
        return next(answers, (200, {}, b"{}"))

    lambda_function.answer = answer
    gateway.emit("t")
    wait_until(lambda: deliveries(gateway, "delivered") == 1, what="the delivery")
    assert (lambda_function.count(), attempts(gateway, "failed")) == (2, 1)
    assert times[1] - times[0] >= 1


def test_throttling_of_a_call_that_somebody_waits_for(gateway, lambda_function):
    lambda_function.answer = lambda call: (429, {"X-Amzn-ErrorType": "TooManyRequestsException"},
                                           b'{"retryAfterSeconds":"1","Message":"Rate Exceeded."}')
    assert sync_answers(gateway) == [(500, CHECK)] * 2
    assert "AWS answered with status 429: TooManyRequestsException: Rate Exceeded." in gateway.log_path.read_text()


@pytest.mark.parametrize("status, code", [(413, "RequestTooLargeException"), (400, "InvalidRequestContentException"),
                                          (415, "UnsupportedMediaTypeException")])
def test_what_lambda_will_never_take_is_given_up_at_once(gateway, lambda_function, status, code):
    lambda_function.answer = lambda call: (status, {"X-Amzn-ErrorType": code}, b'{"Message":"no","Type":"User"}')
    assert sync_answers(gateway) == [(500, CHECK)] * 2
    lambda_function.clear()
    gateway.emit("t")
    wait_until(lambda: deliveries(gateway, "dead_lettered") == 1, what="the dead letter")
    assert lambda_function.count() == 1
    assert code in gateway.log_path.read_text()


def test_an_answer_that_is_cut_off(gateway, lambda_function):
    lambda_function.answer = lambda call: (None, {}, b"")
    assert sync_answers(gateway) == [(500, CHECK)] * 2
    lambda_function.clear()
    gateway.emit("t")
    wait_until(lambda: deliveries(gateway, "dead_lettered") == 1, what="the dead letter")
    assert attempts(gateway, "unreachable") == 3


def test_rubbish_instead_of_aws(gateway, lambda_function):
    lambda_function.answer = lambda call: (502, {"Content-Type": "text/html"}, b"<html><Code>\xff</html>")
    assert sync_answers(gateway) == [(500, CHECK)] * 2
    lambda_function.answer = lambda call: (200, {"Content-Type": "text/html"}, b"<html>")
    answer = gateway.invoke("f")
    assert (answer.status_code, answer.content, answer.headers["Content-Type"]) == (200, b"<html>", "text/html")
    assert gateway.send("POST", "/call").text == "HTTP response object malformed"


def test_the_secret_key_never_leaves(gateway, lambda_function):
    gateway.invoke("f")
    call = lambda_function.received()[0]
    assert KEYS["awsSecretAccessKey"] not in str(call.headers) + call.body.decode()
    assert KEYS["awsSecretAccessKey"] not in gateway.config("GET", "/v1/spaces/default/functions").text
