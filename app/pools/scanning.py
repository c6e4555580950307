"""Pools that are never read as a whole: a file, a folder of files or a store's address as a lazy table."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl
from polars.exceptions import ComputeError, SchemaError

from app.errors import AppError, did_you_mean
from app.pools import parquet_check
from app.pools.parquet_check import NotParquet
from scoring.locations import LocationError, is_remote, plain

NATIVE = ("s3://", "s3a://", "gs://", "gcs://", "az://", "azure://", "abfs://", "abfss://", "hf://")
"""Remote addresses that Polars reads itself, and of which it fetches only the parts it needs."""
MAKE = "Make one: clipjury pool import SOURCE -o POOL.parquet"


def scan(path: str) -> pl.LazyFrame:
    """A Parquet file, folder of Parquet files or remote address as a lazy table; a query reads only what it needs.

    Remote stores are opened with the environment's settings (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL and so on); fsspec
    opens addresses that Polars does not know. Raises AppError if there is nothing at `path`, or if a file that is small
    on disk expands to more than can be read.
    """
    place = plain(path)
    if is_remote(place):
        return _scan_remote(place)
    folder = Path(place)
    if folder.is_dir():
        files = sorted(file for file in folder.rglob("*.parquet") if not file.name.startswith("."))
        if not files:
            raise AppError(f"There is no Parquet file in {path}.", MAKE, status=404)
        return pl.scan_parquet(files, glob=False, missing_columns="insert", extra_columns="ignore")
    if not folder.is_file():
        raise AppError(f"There is no pool at {path}.", MAKE, status=404)
    try:
        parquet_check.check_small(folder)
    except NotParquet as error:
        raise AppError(f"{path} cannot be read as a pool: it is no Parquet file, or it is damaged.", MAKE) from error
    return pl.scan_parquet(folder, glob=False)


def scan_pool(path: str) -> pl.LazyFrame:
    """A pool as a lazy table; without a column `source`, each clip is its own source.

    Raises AppError if it is not a pool: it needs the text columns `clip` and `media`.
    """
    with pool_errors(path):
        rows = scan(path)
        schema = rows.collect_schema()
    for name in ("clip", "media"):
        if schema.get(name) != pl.String:
            raise AppError(f"{path} is not a pool: it has no text column {name!r}.", did_you_mean(name, schema) or MAKE)
    return rows if "source" in schema else rows.with_columns(source=pl.col("clip"))


@contextmanager
def pool_errors(path: str) -> Iterator[None]:
    """Turn errors of Polars or of a remote store, while a pool is read, into AppError."""
    try:
        yield
    except (ComputeError, SchemaError, LocationError, OSError) as error:
        words = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise AppError(f"{path} cannot be read as a pool ({words}).", MAKE) from error


def metadata(path: str) -> dict[str, str]:
    """The metadata of a pool's Parquet file; {} for a folder, which has none.

    ARROW:schema is left out: it describes the columns of this file, and a newly written file gets its own.
    """
    place = plain(path)
    if is_remote(place):
        if not place.startswith(NATIVE):
            return {}
        kept = pl.read_parquet_metadata(place, storage_options=storage_options(place))
    elif Path(place).is_dir():
        return {}
    else:
        kept = pl.read_parquet_metadata(place)
    return {key: value for key, value in kept.items() if key != "ARROW:schema"}


def storage_options(place: str) -> dict[str, str]:
    """How to open a remote store, from environment variables; an endpoint may use http if the environment says so."""
    if not place.startswith(("s3://", "s3a://")):
        return {}
    names = {
        "aws_access_key_id": "AWS_ACCESS_KEY_ID",
        "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY",
        "aws_session_token": "AWS_SESSION_TOKEN",
        "aws_region": "AWS_REGION",
        "aws_endpoint_url": "AWS_ENDPOINT_URL_S3",
    }
    options = {key: os.environ[name] for key, name in names.items() if os.environ.get(name)}
    for key, name in (("aws_region", "AWS_DEFAULT_REGION"), ("aws_endpoint_url", "AWS_ENDPOINT_URL")):
        if os.environ.get(name):
            options.setdefault(key, os.environ[name])
    if options.get("aws_endpoint_url", "").startswith("http://"):
        options["aws_allow_http"] = "true"
    return options


def _scan_remote(place: str) -> pl.LazyFrame:
    if place.startswith(NATIVE):
        whole = place if place.lower().endswith(".parquet") else f"{place.rstrip('/')}/**/*.parquet"
        return pl.scan_parquet(whole, storage_options=storage_options(place) or None)
    # Polars does not know this store: fsspec opens the file, and Polars reads the parts it needs.
    try:
        fsspec: Any = import_module("fsspec")  # an extra, and without types
    except ImportError as error:
        raise AppError(f"{place} needs fsspec.", "pip install 'clipjury[dask]' and the store's own package.") from error
    try:
        return pl.scan_parquet(fsspec.open(place).open())
    # Remote stores raise errors of many libraries; only their messages are useful here.
    except Exception as error:
        words = str(error).strip() or type(error).__name__
        raise AppError(f"{place} cannot be read: {words.rstrip('.')}.", "Name one Parquet file.") from error
