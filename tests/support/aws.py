"""AWS for tests: moto as a server of its own process, which checks every signature and permission, and an
independent computation of signatures by botocore."""

import base64
import json
import os
import re
import subprocess
import sys

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials
import requests

from support.gateway import wait_until

REGION = "eu-west-1"
ACCOUNT = "123456789012"
TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"},
                                                 "Action": "sts:AssumeRole"}]}


def policy(*actions):
    return json.dumps({"Version": "2012-10-17",
                       "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]})


class Aws:
    """One moto server. Users: admin (everything, for the tests themselves), caller (what our providers need),
    stranger (nothing that they need)."""

    def __init__(self, folder):
        self.folder = folder
        self.process = None
        self.endpoint = None

    def start(self):
        environment = {**os.environ, "MOTO_RECORDER_FILEPATH": str(self.folder / "requests"),
                       "MOTO_ENABLE_RECORDING": "1"}
        with open(self.folder / "moto.log", "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
                stdout=log, stderr=log, env=environment)
        wait_until(self._find_endpoint, 120, "moto to be ready")
        self._control("config", json.dumps({"lambda": {"use_docker": False},
                                            "stepfunctions": {"execute_state_machine": True}}))
        self._create_users()
        self._control("reset-auth", "0")  # from here on every request is checked
        return self

    def stop(self):
        self.process.terminate()
        self.process.wait(30)

    def _find_endpoint(self):
        log = (self.folder / "moto.log").read_text()
        assert self.process.poll() is None, log
        found = re.search(r"Running on (http://127\.0\.0\.1:\d+)\s", log)
        self.endpoint = found and found.group(1)
        return self.endpoint

    def _control(self, path, data):
        answer = requests.post(f"{self.endpoint}/moto-api/{path}", data=data, timeout=30,
                               headers={"Content-Type": "text/plain"})
        assert answer.ok, answer.text

    def _create_users(self):
        nobody = {"awsAccessKeyId": "AKIANOBODY", "awsSecretAccessKey": "nothing"}
        iam = self.client("iam", nobody)
        self.admin = self._create_user(iam, "admin", "*")
        self.caller = self._create_user(iam, "caller", "lambda:Invoke*", "kinesis:PutRecord", "firehose:PutRecord",
                                        "sqs:SendMessage", "states:Start*")
        self.stranger = self._create_user(iam, "stranger", "s3:ListBucket")
        iam.create_role(RoleName="caller", AssumeRolePolicyDocument=json.dumps(TRUST))
        iam.put_role_policy(RoleName="caller", PolicyName="p", PolicyDocument=policy("lambda:Invoke*", "sqs:SendMessage"))

    def _create_user(self, iam, name, *actions):
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy(*actions))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return {"awsAccessKeyId": key["AccessKeyId"], "awsSecretAccessKey": key["SecretAccessKey"]}

    def client(self, service, keys=None, region=REGION):
        keys = keys or self.admin
        return boto3.client(service, endpoint_url=self.endpoint, region_name=region,
                            aws_access_key_id=keys["awsAccessKeyId"],
                            aws_secret_access_key=keys["awsSecretAccessKey"],
                            config=botocore.config.Config(retries={"max_attempts": 0}))

    def assume_role(self):
        """Temporary credentials of the role caller, as the fields of a function's provider."""
        role = f"arn:aws:iam::{ACCOUNT}:role/caller"
        made = self.client("sts").assume_role(RoleArn=role, RoleSessionName="session")["Credentials"]
        return {"awsAccessKeyId": made["AccessKeyId"], "awsSecretAccessKey": made["SecretAccessKey"],
                "awsSessionToken": made["SessionToken"]}

    def provider(self, keys=None, **fields):
        return {"region": REGION, "endpoint": self.endpoint, **(self.caller if keys is None else keys), **fields}

    def queue_lambda_answer(self, answer):
        """What the next Lambda call gets; without one it gets its payload back."""
        self._control("static/lambda-simple/response",
                      json.dumps({"results": [json.dumps(answer)], "region": REGION, "account_id": ACCOUNT}))

    def requests(self, part):
        """All that arrived so far and has part in its URL: [(url, headers, body)]."""
        lines = requests.get(f"{self.endpoint}/moto-api/recorder/download-recording", timeout=30).text.splitlines()
        entries = [json.loads(line) for line in lines if line]
        return [(entry["url"], entry["headers"],
                 base64.b64decode(entry["body"]) if entry["body_encoded"] else entry["body"].encode())
                for entry in entries if part in entry["url"]]


def expected_authorization(method, url, headers, body, keys, service, region=REGION):
    """The Authorization header that botocore computes for a request as it arrived: over the headers that its own
    Authorization names, at the time that its X-Amz-Date says."""
    arrived = {name.lower(): value for name, value in headers.items()}
    signed = arrived["authorization"].partition("SignedHeaders=")[2].partition(",")[0]
    request = botocore.awsrequest.AWSRequest(method=method, url=url, data=body,
                                             headers={name: arrived[name] for name in signed.split(";")})
    request.context["timestamp"] = arrived["x-amz-date"]
    credentials = botocore.credentials.Credentials(keys["awsAccessKeyId"], keys["awsSecretAccessKey"],
                                                   keys.get("awsSessionToken"))
    signer = botocore.auth.SigV4Auth(credentials, service, region)
    signature = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    return f"AWS4-HMAC-SHA256 Credential={signer.scope(request)}, SignedHeaders={signed}, Signature={signature}"
