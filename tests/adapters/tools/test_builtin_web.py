"""`http.get` against a real server of this machine."""

import gzip
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from adapters.tools.builtin.hosts import allowed_target, is_public
from adapters.tools.context import ToolFault
from tests.adapters.tools.calling import BuiltIn


class Site(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        status, headers, body = PAGES.get(path, (404, {}, b"nothing here"))
        if path == "/redirect":
            status, headers, body = 302, {"location": query}, b""
        if path == "/login":
            status, headers, body = 302, {"location": query, "set-cookie": "session=given"}, b""
        if path == "/echo":
            body = "\n".join(f"{name.lower()}: {value}" for name, value in self.headers.items()).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A client that hangs up in the middle of a page is what some tests are about."""


PAGES = {
    "/": (200, {"content-type": "text/html; charset=utf-8"}, "<p>héllo</p>".encode()),
    "/latin": (200, {"content-type": "text/plain; charset=latin-1"}, "héllo".encode("latin-1")),
    "/unknown-charset": (200, {"content-type": "text/plain; charset=klingon"}, b"\xff"),
    "/image": (200, {"content-type": "image/png"}, b"\x89PNG\xff"),
    "/big": (200, {"content-type": "text/plain"}, b"x" * (9 * 2**20)),
    "/bomb": (200, {"content-type": "text/plain", "content-encoding": "gzip"}, gzip.compress(b"x" * (200 * 2**20), 1)),
    "/broken": (500, {"content-type": "text/plain"}, b"out of order"),
    "/endless": (302, {"location": "/endless"}, b""),
    "/once": (301, {"location": "/"}, b""),
    "/echo": (200, {"content-type": "text/plain"}, b""),
}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with Server(("127.0.0.1", 0), Site) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        yield server.server_address[1]
        server.shutdown()
        serving.join()


@pytest.fixture
def tools(tmp_path: Path, port: int) -> BuiltIn:
    return BuiltIn(tmp_path, http_hosts=(f"127.0.0.1:{port}", f"localhost:{port}"))


async def test_a_page_is_given_with_status_type_and_text(tools: BuiltIn, port: int) -> None:
    page = await tools.value("http.get", url=f"http://127.0.0.1:{port}/")
    assert (page["status"], page["mediatype"], page["body"]) == (200, "text/html", "<p>héllo</p>")
    assert page["url"] == f"http://127.0.0.1:{port}/"
    assert page["headers"]["content-type"] == "text/html; charset=utf-8"


async def test_the_server_sees_the_name_that_was_asked_for(tools: BuiltIn, port: int) -> None:
    body = (await tools.value("http.get", url=f"http://localhost:{port}/echo", headers={"X-Mine": "1"}))["body"]
    assert f"host: localhost:{port}" in body
    assert "x-mine: 1" in body


async def test_any_status_is_an_answer(tools: BuiltIn, port: int) -> None:
    page = await tools.value("http.get", url=f"http://127.0.0.1:{port}/broken")
    assert (page["status"], page["body"]) == (500, "out of order")


async def test_other_charsets_are_read(tools: BuiltIn, port: int) -> None:
    assert (await tools.value("http.get", url=f"http://127.0.0.1:{port}/latin"))["body"] == "héllo"


async def test_redirects_are_followed_to_allowed_hosts(tools: BuiltIn, port: int) -> None:
    page = await tools.value("http.get", url=f"http://127.0.0.1:{port}/once")
    assert (page["status"], page["url"]) == (200, f"http://127.0.0.1:{port}/")


async def test_credentials_do_not_follow_a_redirect_to_another_host(tools: BuiltIn, port: int) -> None:
    url = f"http://127.0.0.1:{port}/redirect?http://localhost:{port}/echo"
    sent = {"Authorization": "Bearer x", "Cookie": "a=b", "X-Other": "stays"}
    body = (await tools.value("http.get", url=url, headers=sent))["body"]
    assert "bearer" not in body.lower()
    assert "a=b" not in body
    assert "x-other: stays" in body


async def test_credentials_do_not_follow_a_redirect_to_another_port(tmp_path: Path, port: int) -> None:
    with Server(("127.0.0.1", 0), Site) as other:
        serving = threading.Thread(target=other.serve_forever, args=(0.01,))
        serving.start()
        second = other.server_address[1]
        try:
            tools = BuiltIn(tmp_path, http_hosts=(f"127.0.0.1:{port}", f"127.0.0.1:{second}"))
            url = f"http://127.0.0.1:{port}/redirect?http://127.0.0.1:{second}/echo"
            page = await tools.value("http.get", url=url, headers={"Authorization": "Bearer x", "Cookie": "a=b"})
        finally:
            other.shutdown()
            serving.join()
    assert page["url"] == f"http://127.0.0.1:{second}/echo"
    assert "bearer" not in page["body"].lower()
    assert "a=b" not in page["body"]


async def test_cookies_that_a_site_sets_are_its_own(tools: BuiltIn, port: int) -> None:
    mine = await tools.value("http.get", url=f"http://localhost:{port}/login?/echo")
    assert "cookie: session=given" in mine["body"]
    # Another name, though the same machine answers to it.
    others = await tools.value("http.get", url=f"http://localhost:{port}/login?http://127.0.0.1:{port}/echo")
    assert "session" not in others["body"]


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700:4700::1111", True),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::808:808", True),
        ("2002:808:808::1", True),
        ("10.0.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::", False),
        ("::1", False),
        ("fe80::1", False),
        ("fc00::1", False),
        ("fec0::1", False),
        ("ff0e::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:169.254.169.254", False),
        ("::127.0.0.1", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("64:ff9b:1::808:808", False),
        ("2002:7f00:1::1", False),
        ("2002:a00:1::1", False),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    "target",
    ["http://169.254.169.254/latest/meta-data", "http://example.org/", "http://[::1]/", "file:///etc/passwd",
     "http://127.0.0.1:1/", "//example.org/", "http://user:password@localhost/"],
)  # fmt: skip
async def test_no_redirect_leads_elsewhere(tools: BuiltIn, port: int, target: str) -> None:
    failed = await tools.failure("http.get", url=f"http://127.0.0.1:{port}/redirect?{target}")
    assert failed.type == "http.not-allowed"
    assert "password" not in failed.message.replace("without a password", "")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/endless", "http.refused"),
        ("/big", "http.too-large"),
        ("/bomb", "http.too-large"),
        ("/image", "http.binary"),
        ("/unknown-charset", "http.binary"),
    ],
)
async def test_what_cannot_be_given_is_a_failure_that_says_why(tools: BuiltIn, port: int, path: str, kind: str) -> None:
    assert (await tools.failure("http.get", url=f"http://127.0.0.1:{port}{path}")).type == kind


@pytest.mark.parametrize("url", ["http://[::1", "http://a:b:c/", "http://\x00/"])
async def test_what_is_no_url_is_refused(tools: BuiltIn, url: str) -> None:
    assert (await tools.failure("http.get", url=url)).type == "http.refused"


@pytest.mark.parametrize("name", ["Host", "Content-Length", "transfer-encoding", "Connection"])
async def test_headers_of_the_request_itself_are_refused(tools: BuiltIn, port: int, name: str) -> None:
    failed = await tools.failure("http.get", url=f"http://127.0.0.1:{port}/", headers={name: "x"})
    assert failed.type == "http.refused"


async def test_a_header_cannot_carry_another_one(tools: BuiltIn, port: int) -> None:
    sent = {"X-Mine": "1\r\nHost: example.org"}
    assert (await tools.failure("http.get", url=f"http://127.0.0.1:{port}/echo", headers=sent)).type == "http.failed"


async def test_no_host_is_allowed_until_one_is_listed(tmp_path: Path, port: int) -> None:
    failed = await BuiltIn(tmp_path).failure("http.get", url=f"http://127.0.0.1:{port}/")
    assert failed.type == "http.not-allowed"
    assert "not in http.allow (now: none)" in failed.message


async def test_what_is_not_reached_may_be_asked_later(tmp_path: Path) -> None:
    tools = BuiltIn(tmp_path, http_hosts=("127.0.0.1:1", "nowhere.invalid"))
    refused = await tools.failure("http.get", url="http://127.0.0.1:1/")
    unresolved = await tools.failure("http.get", url="http://nowhere.invalid/")
    assert (refused.type, refused.retryable) == ("http.failed", True)
    assert (unresolved.type, unresolved.retryable) == ("http.unresolved", True)


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://8.8.8.8/", "8.8.8.8"),
        ("https://8.8.8.8/x?y", "8.8.8.8"),
        ("http://8.8.8.8/", "*.8.8.8"),
        ("http://8.8.8.8:81/", "8.8.8.8:81"),
        ("http://127.0.0.1/", "127.0.0.1"),
        ("http://[::1]:81/", "[::1]:81"),
        ("http://LOCALHOST/", "Localhost"),
    ],
)
async def test_allowed_urls(url: str, allowed: str) -> None:
    target = await allowed_target(httpx.URL(url), [allowed])
    assert target.url == httpx.URL(url)
    assert ip_address(target.address)


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://8.8.8.8/", "example.org"),
        ("http://8.8.8.8:81/", "8.8.8.8"),
        ("http://8.8.8.8:81/", "*.8.8.8"),
        ("http://8.8.8.8/", "8.8.8"),
        ("http://8.8.8/", "*.8.8.8"),
        ("http://x8.8.8.8/", "8.8.8.8"),
        ("http://127.0.0.1/", "*.0.0.1"),
        ("http://10.0.0.1/", "*.0.0.1"),
        ("http://169.254.0.1/", "*.254.0.1"),
        ("ftp://8.8.8.8/", "8.8.8.8"),
        ("http://user@8.8.8.8/", "8.8.8.8"),
        ("http://8.8.8.8@10.0.0.1/", "8.8.8.8"),
        ("/path", "8.8.8.8"),
    ],
)
async def test_urls_that_are_not_allowed(url: str, allowed: str) -> None:
    with pytest.raises(ToolFault) as raised:
        await allowed_target(httpx.URL(url), [allowed])
    assert raised.value.type == "http.not-allowed"


async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "server.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with Server(("127.0.0.1", 0), Site) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        port = server.server_address[1]
        try:
            tools = BuiltIn(tmp_path, http_hosts=(f"localhost:{port}",))
            failed = await tools.failure("http.get", url=f"https://localhost:{port}/")
        finally:
            server.shutdown()
            serving.join()
    assert failed.type == "http.failed"
    assert "CERTIFICATE_VERIFY_FAILED" in failed.message
