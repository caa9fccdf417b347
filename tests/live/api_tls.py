"""GRPC over TLS with Google's Python library: HTTP/2 chosen by ALPN, a certificate that is checked, one that the client must show."""

import grpc
import trustme

from api_grpc import Api, outcome
from harness import Server, expect


def encrypted(authority, extra):
    """The configuration of a GRPC port with a certificate of this authority."""
    own = authority.issue_cert("localhost")
    chain = "".join(part.bytes().decode() for part in own.cert_chain_pems)
    tls = {"enabled": True, "cert_pem": chain, "key_pem": own.private_key_pem.bytes().decode(), **extra}
    return {"grpc_api": {"tls": tls}}


def channel(server, authority, own=None):
    roots = authority.cert_pem.bytes()
    key = own and own.private_key_pem.bytes()
    chain = own and b"".join(part.bytes() for part in own.cert_chain_pems)
    credentials = grpc.ssl_channel_credentials(roots, key, chain)
    return grpc.aio.secure_channel(server.grpc.replace("127.0.0.1", "localhost"), credentials)


async def with_server(binary_of, extra, check):
    """Runs a check against a server of its own configuration."""
    server = Server()
    await server.start(binary_of.binary, binary_of.cores, extra)
    try:
        await check(server)
        expect("exit code", await server.stop(), 0)
    finally:
        if server.process.returncode is None:
            server.process.kill()
            await server.process.wait()


async def grpc_works_over_tls(plain):
    authority = trustme.CA()

    async def check(server):
        async with Api(server, channel=channel(server, authority)) as api:
            outcome("publish", await api.Publish(channel="plain:a", data=b"1"))
            large = b'"' + b"x" * 3_000_000 + b'"'
            outcome("publish 3 MB", await api.Publish(channel="hist:tls", data=large))
            history = outcome("history", await api.History(channel="hist:tls", limit=1))
            expect("the same bytes", history.publications[0].data == large, True)
        async with Api(server, channel=channel(server, trustme.CA())) as api:
            try:
                await api.Info()
                raise AssertionError("a foreign authority is trusted")
            except grpc.aio.AioRpcError as error:
                expect("a foreign authority", error.code(), grpc.StatusCode.UNAVAILABLE)

    await with_server(plain, encrypted(authority, {}), check)


async def grpc_asks_for_a_certificate_where_an_authority_is_named(plain):
    authority, clients = trustme.CA(), trustme.CA()

    async def check(server):
        async with Api(server, channel=channel(server, authority, clients.issue_cert("client"))) as api:
            outcome("publish", await api.Publish(channel="plain:a", data=b"1"))
        async with Api(server, channel=channel(server, authority)) as api:
            try:
                await api.Info()
                raise AssertionError("a client without a certificate is let in")
            except grpc.aio.AioRpcError as error:
                expect("no certificate", error.code(), grpc.StatusCode.UNAVAILABLE)

    extra = {"client_ca_pem": clients.cert_pem.bytes().decode()}
    await with_server(plain, encrypted(authority, extra), check)


CHECKS = [grpc_works_over_tls, grpc_asks_for_a_certificate_where_an_authority_is_named]
