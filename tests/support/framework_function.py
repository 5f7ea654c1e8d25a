"""A function as people write them for Google's Functions Framework: it gets the event parsed by the official SDK."""

import fcntl
import json
import os

import functions_framework


@functions_framework.cloud_event
def take(event):
    """Appends what it got as one line to the file that TAKEN names; several workers may do so at once."""
    line = json.dumps({"id": event["id"], "type": event["type"], "source": event["source"], "data": event.data})
    with open(os.environ["TAKEN"], "a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(line + "\n")
