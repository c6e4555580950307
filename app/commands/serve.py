"""`clipjury serve` and `clipjury links`: serve the studies of a data folder, and print the links that open them."""

from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.common import existing_database, open_database
from app.commands.numeric_options import whole
from app.settings import Settings, load

if TYPE_CHECKING:
    from app.db import Database

Port = Annotated[int, whole("--port", 0, 65535, "Port to listen on; 0 takes a free one.")]
LinkPort = Annotated[
    int | None, whole("--port", 1, 65535, "Port in the printed links. [default: that of the running server]")
]


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; 0.0.0.0 is every address. [default: 127.0.0.1]")
    ] = None,
    port: Annotated[
        int | None, whole("--port", 0, 65535, "Port to listen on; 0 takes a free one. Default 8000.")
    ] = None,
    uds: Annotated[
        str | None, typer.Option(help="Unix socket to listen on instead, for a proxy on this machine.")
    ] = None,
    public_url: Annotated[
        str | None, typer.Option(help="Address that people open, as https://jury.example.org.")
    ] = None,
    trusted_proxy: Annotated[
        str | None, typer.Option(help="Addresses or networks of proxies that name the client, as 10.0.0.0/8.")
    ] = None,
    insecure_http: Annotated[
        bool | None,
        typer.Option("--insecure-http", help="Serve other machines without TLS: anybody on the way can read along."),
    ] = None,
) -> None:
    """Serve the studies of this folder. Each option is also a setting: CLIPJURY_HOST, CLIPJURY_PUBLIC_URL, ..."""
    from app.web import public_address

    settings = load(
        host=host,
        port=port,
        uds=uds,
        public_url=public_url,
        trusted_proxy=trusted_proxy,
        insecure_http=insecure_http,
    )
    public_address.check(settings)  # before the database is opened, which may take long
    database = open_database(settings)
    database.migrate()
    serve_here(settings, database)


def serve_here(settings: Settings, database: "Database") -> None:
    """Serve until interrupted, and print the links."""
    from app import server

    server.serve(settings, database, say=typer.echo)


def links(port: LinkPort = None) -> None:
    """Print the researcher's link and each study's link for raters, at the address of the running server."""
    from app.raters.invite_list import links as link_lines

    settings = served_settings(port)
    for line in link_lines(settings, existing_database(settings)):
        typer.echo(line)


def served_settings(port: int | None) -> Settings:
    """The settings with the address at which the studies are served, or at the port given on this machine."""
    from app.web.running_server import settings_of_running

    settings = load()
    return settings_of_running(settings) if port is None else settings.model_copy(update={"port": port})
