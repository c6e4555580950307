"""A store that speaks S3, on this machine, for the length of a block."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any
from uuid import uuid4

import pytest
from moto.server import ThreadedMotoServer


@contextmanager
def bucket() -> Iterator[str]:
    """A fresh bucket; its address, such as s3://clips-1a2b. The environment points at the store meanwhile."""
    s3: Any = import_module("s3fs")
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    name = f"clips-{uuid4().hex[:8]}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "nobody")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        s3.S3FileSystem.clear_instance_cache()
        s3.S3FileSystem().mkdir(name)
        yield f"s3://{name}"
        s3.S3FileSystem.clear_instance_cache()
    server.stop()
