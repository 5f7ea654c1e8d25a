"""The AWS providers against an emulator that checks every signature and permission (moto)."""

import base64
import json
import time

import pytest

from support.aws import ACCOUNT, REGION, Aws
from support.gateway import wait_until

ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"
FORMS = ["hello", "hello:7", "hello:live", "hello:$LATEST", f"{ACCOUNT}:function:hello", f"{ARN}hello", f"{ARN}hello:7",
         f"{ARN}hello:live"]
REFUSED = ("The provided secret access key does not belong to the access key id, or this machine's clock is wrong. "
           "Please provide valid credentials.")


@pytest.fixture(scope="session")
def aws(tmp_path_factory):
    server = Aws(tmp_path_factory.mktemp("aws")).start()
    yield server
    server.stop()


@pytest.fixture
def arguments(store_arguments, tmp_path):
    """With a key for what is sealed, on either store."""
    key = tmp_path / "secrets.key"
    key.write_text(base64.b64encode(b"0123456789abcdef0123456789abcdef").decode())
    key.chmod(0o600)
    return [*store_arguments, "--secrets-key-file", str(key)]


@pytest.fixture
def gateway(make_gateway, arguments):
    return make_gateway(arguments)


on_sqlite = pytest.mark.parametrize("store", ["sqlite"], indirect=True)


def delivered(gateway, outcome="delivered"):
    return gateway.metrics().get(f'eventgateway_deliveries_total{{outcome="{outcome}"}}', 0)


def attempts(gateway, outcome):
    return gateway.metrics().get(f'eventgateway_delivery_attempts_total{{outcome="{outcome}"}}', 0)


def subscribe_sync(gateway, function_id, path):
    gateway.subscribe(function_id, "http.request", kind="sync", method="POST", path=path)


# --- Lambda


@on_sqlite
@pytest.mark.parametrize("form", FORMS)
def test_lambda_functions_by_each_form_of_their_name(gateway, aws, form):
    gateway.register("f", "awslambda", aws.provider(arn=form))
    answer = gateway.invoke("f", '{"name":"Zoë 😀"}'.encode())
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json"), answer.text
    event = answer.json()  # the emulator gives the payload back
    assert (event["type"], event["data"]) == ("invoke", {"name": "Zoë 😀"})

    subscribe_sync(gateway, "f", "/users/:id")
    aws.queue_lambda_answer({"statusCode": 201, "headers": {"X-Made": "yes"}, "body": "made"})
    answer = gateway.send("POST", "/users/7", b"{}")
    assert (answer.status_code, answer.headers["X-Made"], answer.text) == (201, "yes", "made")


def test_lambda_functions_get_what_is_stored(gateway, aws):
    """On both stores: delivered once, with the event as its payload."""
    name = f"stored-{time.time_ns()}"
    gateway.register("f", "awslambda", aws.provider(arn=f"{ARN}{name}:3"))
    gateway.register_event_type("user.created")
    gateway.subscribe("f", "user.created")
    for number in range(20):
        assert gateway.emit("user.created", json.dumps({"number": number})).status_code == 202
    wait_until(lambda: delivered(gateway) == 20, what="the deliveries")
    calls = aws.requests(name)
    assert sorted(json.loads(body)["data"]["number"] for _, _, body in calls) == list(range(20))
    assert all(url.endswith(f"/2015-03-31/functions/{ARN.replace(':', '%3A')}{name}%3A3/invocations")
               for url, _, _ in calls)


@on_sqlite
def test_lambda_queues_deliveries_where_it_is_told_to(gateway, aws):
    name = f"queued-{time.time_ns()}"
    gateway.register("f", "awslambda", aws.provider(arn=name, invocationType="Event"))
    gateway.register_event_type("user.created")
    gateway.subscribe("f", "user.created")
    gateway.emit("user.created")
    wait_until(lambda: delivered(gateway) == 1, what="the delivery")
    assert gateway.invoke("f").json()["type"] == "invoke"
    kinds = [{name.lower(): value for name, value in headers.items()}["x-amz-invocation-type"]
             for _, headers, _ in aws.requests(name)]
    assert kinds == ["Event", "RequestResponse"]


@on_sqlite
def test_the_formats_of_an_event_as_payloads(gateway, aws):
    for number, (wanted, key) in enumerate((("cloudevents/1.0", "specversion"), ("cloudevents/0.1", "cloudEventsVersion"),
                                            ("cloudevents-binary/1.0", "specversion"), ("classic", "receivedAt"))):
        gateway.register(f"f{number}", "awslambda", aws.provider(arn="hello"), eventFormat=wanted)
        assert key in gateway.invoke(f"f{number}").json(), wanted


# --- credentials


@on_sqlite
def test_a_session_token_goes_along(gateway, aws):
    keys = aws.assume_role()
    shown = gateway.register("f", "awslambda", aws.provider(keys, arn="hello"))
    assert [shown["provider"][name] for name in keys] == ["*****"] * 3
    assert gateway.invoke("f").status_code == 200
    without = {**keys}
    del without["awsSessionToken"]
    gateway.register("g", "awslambda", aws.provider(without, arn="hello"))
    answer = gateway.invoke("g")
    assert (answer.status_code, answer.text) == (500, "Function call failed with InvalidClientTokenId. The provided "
                                                      "credentials are invalid. Please provide valid credentials.")


@on_sqlite
@pytest.mark.parametrize("kind", ["user", "role"])
def test_the_environments_credentials(make_gateway, arguments, aws, kind):
    keys = aws.caller if kind == "user" else aws.assume_role()
    gateway = make_gateway(arguments, environment={
        "AWS_ACCESS_KEY_ID": keys["awsAccessKeyId"], "AWS_SECRET_ACCESS_KEY": keys["awsSecretAccessKey"],
        "AWS_SESSION_TOKEN": keys.get("awsSessionToken", "")})
    gateway.register("f", "awslambda", aws.provider({}, arn="hello"))
    assert gateway.invoke("f").status_code == 200
    # A function's own go first, and its lack of a token is not filled up from the environment.
    gateway.register("own", "awslambda", aws.provider(aws.stranger, arn="hello"))
    assert "AccessDenied" in gateway.invoke("own").text
    gateway.register("mine", "awslambda", aws.provider(aws.caller, arn="hello"))
    assert gateway.invoke("mine").status_code == 200


@on_sqlite
def test_credentials_that_are_refused(gateway, aws):
    wrong = {**aws.caller, "awsSecretAccessKey": "not-it"}
    unknown = {**aws.caller, "awsAccessKeyId": "AKIAUNKNOWN"}
    cases = {"wrong": (wrong, f"Function call failed with SignatureDoesNotMatch. {REFUSED}"),
             "unknown": (unknown, "Function call failed with InvalidClientTokenId. The provided credentials are "
                                  "invalid. Please provide valid credentials."),
             "stranger": (aws.stranger, "Function call failed with AccessDenied. The provided credentials do not have "
                                        "the required IAM permissions to invoke this function. Please attach the "
                                        "lambda:invokeFunction permission to these credentials.")}
    for name, (keys, text) in cases.items():
        gateway.register(name, "awslambda", aws.provider(keys, arn="hello"))
        answer = gateway.invoke(name)
        assert (answer.status_code, answer.text) == (500, text)
        subscribe_sync(gateway, name, f"/{name}")
        answer = gateway.send("POST", f"/{name}")
        assert (answer.status_code, answer.text) == (500, text)
    # A delivery is tried again: with the right key it succeeds.
    gateway.register_event_type("user.created")
    gateway.subscribe("wrong", "user.created", delivery={"retry": {"initialMs": 100, "maxMs": 100}})
    gateway.emit("user.created")
    wait_until(lambda: attempts(gateway, "not allowed") >= 2, what="two attempts")
    right = {"functionId": "wrong", "type": "awslambda", "provider": aws.provider(arn="hello")}
    assert gateway.config("PUT", "/v1/spaces/default/functions/wrong", right).status_code == 200
    wait_until(lambda: delivered(gateway) == 1, what="the delivery")
    log = gateway.log_path.read_text()
    assert "SignatureDoesNotMatch" in log
    for keys in (aws.caller, wrong, aws.stranger):
        assert keys["awsSecretAccessKey"] not in log


@on_sqlite
def test_the_first_generations_spelling(gateway, aws):
    keys = {"awsAccessKeyID": aws.caller["awsAccessKeyId"], "awsSecretAccessKey": aws.caller["awsSecretAccessKey"]}
    body = {"functionId": "f", "provider": {"type": "awslambda", **aws.provider(keys, arn="hello")}}
    shown = gateway.config("POST", "/v1/functions", body)
    assert shown.status_code == 200, shown.text
    assert shown.json()["provider"] == {**body["provider"], **{name: "*****" for name in keys}}
    assert set(gateway.invoke("f").json()) == {"event", "id", "receivedAt", "data", "dataType"}
    # Put back as it is shown: the stored keys are kept.
    assert gateway.config("PUT", "/v1/functions/f", shown.json()).status_code == 200
    assert gateway.invoke("f").status_code == 200
    other = gateway.config("GET", "/v1/spaces/default/functions/f").json()
    assert other["provider"]["awsAccessKeyId"] == "*****"
    assert gateway.config("PUT", "/v1/spaces/default/functions/f", other).status_code == 200
    assert gateway.invoke("f").status_code == 200


@on_sqlite
def test_without_any_credentials(gateway, aws):
    gateway.register("f", "awslambda", aws.provider({}, arn="hello"))
    answer = gateway.invoke("f")
    assert (answer.status_code, answer.text) == (500, "Function call failed. Please check logs.")
    assert "There are no AWS credentials" in gateway.log_path.read_text()


# --- streams and queues, read back with boto3


def test_queues(gateway, aws):
    sqs = aws.client("sqs")
    url = sqs.create_queue(QueueName=f"q{time.time_ns()}")["QueueUrl"]
    gateway.register("f", "awssqs", aws.provider(queueUrl=url))
    gateway.register_event_type("user.created")
    gateway.subscribe("f", "user.created")
    assert gateway.emit("user.created", '{"name":"Zoë"}'.encode()).status_code == 202
    wait_until(lambda: delivered(gateway) == 1, what="the delivery")
    message = sqs.receive_message(QueueUrl=url)["Messages"][0]
    assert json.loads(message["Body"])["data"] == {"name": "Zoë"}
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    answer = gateway.invoke("f")
    message = sqs.receive_message(QueueUrl=url)["Messages"][0]
    assert answer.text == message["MessageId"]


@on_sqlite
def test_a_queue_with_groups(gateway, aws):
    sqs = aws.client("sqs")
    url = sqs.create_queue(QueueName=f"q{time.time_ns()}.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    gateway.register("f", "awssqs", aws.provider(queueUrl=url))
    gateway.register_event_type("t")
    gateway.subscribe("f", "t")
    for identity, key in (("1", "a b ö"), ("2", "b"), ("2", "b"), ("3", "a b ö")):
        headers = {"ce-specversion": "1.0", "ce-type": "t", "ce-source": "/s", "ce-id": identity,
                   "ce-partitionkey": key.encode()}
        assert gateway.send("POST", "/", b"{}", headers).status_code == 202
    wait_until(lambda: delivered(gateway) == 4, what="the deliveries")
    got, seen = [], True
    while seen:
        seen = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"]).get("Messages", [])
        for message in seen:
            got.append((json.loads(message["Body"])["id"], message["Attributes"]["MessageGroupId"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert sorted(identity for identity, _ in got) == ["1", "2", "3"], "the same event is no second message"
    groups = dict(got)
    assert groups["1"] == groups["3"] != groups["2"] == "b"


@on_sqlite
def test_streams(gateway, aws):
    kinesis = aws.client("kinesis")
    kinesis.create_stream(StreamName="s", ShardCount=1)
    gateway.register("f", "awskinesis", aws.provider(streamName="s"))
    gateway.register_event_type("t")
    gateway.subscribe("f", "t")
    headers = {"ce-specversion": "1.0", "ce-type": "t", "ce-source": "/s", "ce-id": "1", "ce-subject": "Zo%C3%AB"}
    assert gateway.send("POST", "/", b"\x00\xff", {**headers, "Content-Type": "application/octet-stream"}).ok
    wait_until(lambda: delivered(gateway) == 1, what="the delivery")
    answer = gateway.invoke("f")
    shard = kinesis.list_shards(StreamName="s")["Shards"][0]["ShardId"]
    iterator = kinesis.get_shard_iterator(StreamName="s", ShardId=shard,
                                          ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    first, second = kinesis.get_records(ShardIterator=iterator)["Records"]
    assert first["PartitionKey"] == "Zoë"
    assert json.loads(first["Data"])["data_base64"] == "AP8="
    assert answer.text == second["SequenceNumber"]


@on_sqlite
def test_delivery_streams(gateway, aws):
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": REGION})
    aws.client("firehose").create_delivery_stream(
        DeliveryStreamName="d", S3DestinationConfiguration={"RoleARN": f"arn:aws:iam::{ACCOUNT}:role/caller",
                                                            "BucketARN": "arn:aws:s3:::bucket"})
    gateway.register("f", "awsfirehose", aws.provider(deliveryStreamName="d"))
    gateway.register_event_type("t")
    gateway.subscribe("f", "t")
    gateway.emit("t", b'{"a":1}')
    wait_until(lambda: delivered(gateway) == 1, what="the delivery")
    assert gateway.invoke("f").text
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket="bucket")["Contents"]]
    events = [json.loads(s3.get_object(Bucket="bucket", Key=key)["Body"].read()) for key in keys]
    assert sorted(event["type"] for event in events) == ["invoke", "t"]


# --- state machines

DEFINITION = json.dumps({"StartAt": "done", "States": {"done": {"Type": "Pass", "End": True}}})


@pytest.fixture
def state_machine(aws):
    """A standard one: the emulator cannot run express ones synchronously."""
    return aws.client("stepfunctions").create_state_machine(
        name=f"m{time.time_ns()}", definition=DEFINITION, roleArn=f"arn:aws:iam::{ACCOUNT}:role/caller")["stateMachineArn"]


@on_sqlite
def test_state_machines(gateway, aws, state_machine):
    states = aws.client("stepfunctions")
    gateway.register("f", "awsstepfunctions", aws.provider(stateMachineArn=state_machine))
    gateway.register_event_type("t")
    gateway.subscribe("f", "t")
    gateway.emit("t", '{"name":"Zoë"}'.encode())
    wait_until(lambda: delivered(gateway) == 1, what="the delivery")
    [execution] = states.list_executions(stateMachineArn=state_machine)["executions"]
    sent = states.describe_execution(executionArn=execution["executionArn"])["input"]
    assert json.loads(sent)["data"] == {"name": "Zoë"}
    assert gateway.invoke("f").text in [one["executionArn"]
                                        for one in states.list_executions(stateMachineArn=state_machine)["executions"]]


@on_sqlite
def test_a_delivery_begins_one_execution(gateway, aws, state_machine):
    """The same event again is the same delivery, as an attempt is whose first answer was lost."""
    gateway.register("f", "awsstepfunctions", aws.provider(stateMachineArn=state_machine))
    gateway.register_event_type("t")
    gateway.subscribe("f", "t")
    headers = {"ce-specversion": "1.0", "ce-type": "t", "ce-source": "/s", "ce-id": "1"}
    for count in (1, 2):
        assert gateway.send("POST", "/", b"{}", headers).status_code == 202
        wait_until(lambda count=count: delivered(gateway) == count, what="the delivery")
    calls = [body for _, _, body in aws.requests("/") if state_machine.encode() in body and b'"input"' in body]
    assert len(calls) == 2
    assert len(aws.client("stepfunctions").list_executions(stateMachineArn=state_machine)["executions"]) == 1


@on_sqlite
@pytest.mark.parametrize("kind, fields, what", [
    ("awsstepfunctions", {"stateMachineArn": f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:ghost"},
     "StateMachineDoesNotExist"),
    ("awskinesis", {"streamName": "ghost"}, "ResourceNotFoundException"),
    ("awsfirehose", {"deliveryStreamName": "ghost"}, "ResourceNotFoundException"),
    ("awssqs", {"queueUrl": "ENDPOINT/123456789012/ghost"}, "QueueDoesNotExist")])
def test_what_is_not_there_is_waited_for(gateway, aws, kind, fields, what):
    """These services answer 400, which from an HTTP function would end the delivery at once."""
    fields = {name: value.replace("ENDPOINT", aws.endpoint) for name, value in fields.items()}
    gateway.register("f", kind, aws.provider(**fields))
    gateway.register_event_type("t")
    gateway.subscribe("f", "t", delivery={"retry": {"initialMs": 50, "maxMs": 50, "maxAttempts": 3}})
    gateway.emit("t")
    wait_until(lambda: delivered(gateway, "dead_lettered") == 1, what="the dead letter")
    assert attempts(gateway, "failed") == 3
    assert what in gateway.log_path.read_text()
