"""Rows about the request line, `Host`, field lines and what surrounds a head (RFC 9112 2, 3, 5)."""

from framing_row import BODY, CLOSED, CUT, END, FRAMES, GET, HIDDEN, HOST, LENGTH, POST, PUBLISH, TORN, Table, line, with_length

HEAD_BYTES_MAX, FIELDS_MAX, BLANK_LINES_MAX = 64 << 10, 128, 4
API = b" /api/publish HTTP/1.1\r\n" + HOST + b"X-API-Key: k\r\n"

# Methods.
methods = Table("method")
methods.row("GET", "9112 3.1", GET + END, [200])
methods.row("POST", "9112 3.1", PUBLISH, [200], published=1)
methods.row("HEAD", "9110 9.3.2", b"HEAD" + GET[3:] + END, [200], bodiless=[0])
for method in (
    b"GET", b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"TRACE", b"post", b"Post", b"PUBLISH", b"!#$%&'*+-.^_`|~09azAZ",
    b"M" * 100,
):  # fmt: skip
    # server-api 1.2: whatever is not POST is 405, before key and body are looked at; methods have a case (9110 9.1).
    methods.row(f"{method.decode()[:24]} of the API", "9110 9.1", with_length(method + API, HIDDEN), [405])
methods.row("HEAD of the API", "9110 9.3.2", with_length(b"HEAD" + API, HIDDEN), [405], bodiless=[0])
for name, method in (
    ("empty", b""), ("parenthesis", b"G(T"), ("colon", b"GET:"), ("slash", b"GET/"), ("quote", b'"GET"'), ("at", b"G@T"),
    ("comma", b"GET,"), ("brace", b"{GET}"), ("NUL", b"G\0T"), ("control", b"\x01GET"), ("DEL", b"GET\x7f"),
    ("UTF-8", "GÉT".encode()), ("high byte", b"G\xc5T"), ("CR", b"G\rT"), ("byte order mark", b"\xef\xbb\xbfGET"),
):  # fmt: skip
    methods.refused(f"with {name}" if method else name, "9112 3.1", line(method + b" /health HTTP/1.1"))
# A tunnel was asked for: what follows may be meant for its other end (RFC 9931), so it is never read.
methods.refused("CONNECT", "9110 9.3.6", line(b"CONNECT t:80 HTTP/1.1"), 501)
methods.refused("CONNECT of a path", "9112 3.2.3", line(b"CONNECT /health HTTP/1.1"))
methods.refused("CONNECT without port", "9110 9.3.6", line(b"CONNECT t HTTP/1.1"))
methods.refused("CONNECT with an empty port", "9110 9.3.6", line(b"CONNECT t: HTTP/1.1"))
methods.refused("CONNECT of a URL", "9112 3.2.3", line(b"CONNECT http://t:80/ HTTP/1.1"))

# The line as a whole.
lines = Table("line")
for name, text in (
    ("two spaces before the target", b"GET  /health HTTP/1.1"),
    ("two spaces before the version", b"GET /health  HTTP/1.1"),
    ("tab before the target", b"GET\t/health HTTP/1.1"),
    ("tab before the version", b"GET /health\tHTTP/1.1"),
    ("vertical tab before the target", b"GET\x0b/health HTTP/1.1"),
    ("form feed before the version", b"GET /health\x0cHTTP/1.1"),
    ("CR before the version", b"GET /health\rHTTP/1.1"),
    ("no-break space", b"GET\xa0/health HTTP/1.1"),
    ("space in front", b" GET /health HTTP/1.1"),
    ("tab in front", b"\tGET /health HTTP/1.1"),
    ("space behind", b"GET /health HTTP/1.1 "),
    ("tab behind", b"GET /health HTTP/1.1\t"),
    ("CR behind", b"GET /health HTTP/1.1\r"),
    ("fourth word", b"GET /health HTTP/1.1 HTTP/1.1"),
    ("no version", b"GET /health"),
    ("no version but a space", b"GET /health "),
    ("no target", b"GET HTTP/1.1"),
    ("empty target", b"GET  HTTP/1.1"),
    ("one word", b"GET"),
    ("a status line", b"HTTP/1.1 200 OK"),
    ("NUL behind", b"GET /health HTTP/1.1\0"),
):  # fmt: skip
    lines.refused(name, "9112 3", line(text))
lines.refused("LF alone", "9112 2.2", b"GET /health HTTP/1.1\n" + HOST + END, why="a lone LF may be a line end or not")
lines.refused("CR alone", "9112 2.2", b"GET /health HTTP/1.1\r" + HOST + END)
lines.refused("LF CR", "9112 2.2", b"GET /health HTTP/1.1\n\r" + HOST + END)

# What may precede it.
blanks = Table("blank")
blanks.row("one empty line", "9112 2.2", END + GET + END, [200])
blanks.row("as many as are borne", "9112 2.2", END * BLANK_LINES_MAX + GET + END, [200])
blanks.row("one behind a body", "9112 2.2", PUBLISH + END + GET + END, [200, 200], published=1)
blanks.refused("too many", "9112 2.2", END * (BLANK_LINES_MAX + 1) + GET + END, why="one has to be borne, the rest is ours")
blanks.refused("LF", "9112 2.2", b"\n" + GET + END)
blanks.refused("CRLF, LF", "9112 2.2", END + b"\n" + GET + END)
blanks.refused("CR", "9112 2.2", b"\r" + GET + END)
blanks.refused("CR CRLF", "9112 2.2", b"\r\r\n" + GET + END)
blanks.refused("a space and CRLF", "9112 2.2", b" \r\n" + GET + END)
blanks.refused("NUL", "9112 2.2", b"\0" + GET + END)

# Versions.
versions = Table("version")
versions.row("1.0", "9112 9.3", line(b"GET /health HTTP/1.0"), [200], CLOSED)
versions.row("1.0 without Host", "9112 3.2", line(b"GET /health HTTP/1.0", b""), [200], CLOSED)
versions.row("1.0 and a second request", "9112 9.3", line(b"GET /health HTTP/1.0", b"") + HIDDEN, [200], CLOSED)
for text in (
    b"http/1.1", b"Http/1.1", b"HTTP/1", b"HTTP/1.", b"HTTP/.1", b"HTTP/11", b"HTTP/1.10", b"HTTP/01.1", b"HTTP/1.01",
    b"HTTP/+1.1", b"HTTP/-1.1", b"HTTP/1,1", b"HTTP/1.1.", b"HTTP/1.x", b"HTTP/2", b"HTTP-1.1", b"HTTP\\1.1", b"HTTP//1.1",
    b"HTTPS/1.1", b"HTTP/", b"HTTP", b"XTTP/1.1", b"1.1", b"HTTP/1.\xb9", b"HTTP/1.1;",
):  # fmt: skip
    versions.refused(ascii(text)[2:-1], "9112 2.3", line(b"GET /health " + text))
for text in (b"0.9", b"2.0", b"3.0", b"9.9"):
    versions.refused(text.decode(), "9110 15.6.6", line(b"GET /health HTTP/" + text), 505)
# It SHOULD be read as 1.1 (9110 2.5). Nobody sends it, and who forwards it may not read it as we would.
versions.refused("1.2", "9110 2.5", line(b"GET /health HTTP/1.2"), 505, why="1.2 may be read as 1.1")

# Targets.
targets = Table("target")
for target, status, rule in (
    (b"/health?", 200, "9112 3.2.1"),
    (b"/health?a=b&c", 200, "9112 3.2.1"),
    (b"/heal%74h", 200, "9110 4.2.3"),
    (b"/health?%zz", 200, "9112 3.2.1"),  # As Go reads a query: the pair does not count.
    (b"/health?a={b|c}^`", 200, "9112 3.2.1"),  # Browsers send these as they are.
    (b"/health/", 404, "server-api 1.1"),
    (b"/HEALTH", 404, "server-api 1.1"),
    (b"//t/health", 404, "9112 3.2.1"),
    (b"//health", 404, "server-api 1.1"),
    (b"/./health", 404, "server-api 1.1"),
    (b"/x/../health", 404, "server-api 1.1"),
    (b"/health%2f", 404, "9110 4.2.3"),
    (b"/health%00", 404, "9110 4.2.3"),
    (b"/health%0d%0aX:%20y", 404, "9110 4.2.3"),
    (b"/health;x", 404, "9112 3.2.1"),
    (b"/http://t/health", 404, "9112 3.2.1"),
    (b"http://t/health", 200, "9112 3.2.2"),
    (b"HTTP://t/health", 200, "9112 3.2.2"),
    (b"http://t:80/health?x", 200, "9112 3.2.2"),
    (b"http://[::1]/health", 200, "9112 3.2.2"),
    (b"http://other/health", 200, "9112 3.2.2"),  # Host MUST be ignored then.
    (b"https://t/health", 200, "9112 3.2.2"),  # TLS may have ended in front of us.
    (b"http://t", 404, "9112 3.2.2"),
    (b"http://t?x", 404, "9112 3.2.2"),
):
    targets.row(target.decode(), rule, line(b"GET " + target + b" HTTP/1.1"), [status])
targets.row("OPTIONS *", "9112 3.2.4", line(b"OPTIONS * HTTP/1.1"), [200])
targets.row("longer than 8000 bytes", "9112 3", line(b"GET /health?" + b"x" * 8000 + b" HTTP/1.1"), [200])
for target, rule in (
    (b"*", "9112 3.2.4"), (b"/*#", "9112 3.2.1"), (b"t:80", "9112 3.2.3"), (b"t", "9112 3.2"), (b"health", "9112 3.2"), (b"?x", "9112 3.2"),
    (b"./health", "9112 3.2"), (b"\\health", "9112 3.2"), (b"#/health", "9112 3.2"),
    (b"/health#x", "9112 3.2.1"), (b"/health?a#x", "9112 3.2.1"), (b"/health#", "9112 3.2.1"), (b"http://t/health#x", "9112 3.2.2"),
    (b"/health%", "9112 3.2.1"), (b"/health%4", "9112 3.2.1"), (b"/health%zz", "9112 3.2.1"), (b"/%health", "9112 3.2.1"),
    (b"/health\0", "9112 3.2"), (b"/\x01health", "9112 3.2"), (b"/health\x7f", "9112 3.2"), (b"/health\x1b[0m", "9112 3.2"),
    (b"/health\x80", "9112 3.2"), (b"/health\xff", "9112 3.2"), ("/héalth".encode(), "9112 3.2"), ("/health?é".encode(), "9112 3.2"),
    (b"/he alth", "9112 3.2"), (b"/health?a b", "9112 3.2"), (b"/he\talth", "9112 3.2"), (b"/he\ralth", "9112 3.2"), (b"/he\nalth", "9112 3.2"),
    (b"http:///health", "9110 4.2.1"), (b"http://u@t/health", "9110 4.2.4"), (b"http://u:p@t/health", "9110 4.2.4"),
    (b"http://t:x/health", "9112 3.2.2"), (b"http://[::1/health", "9112 3.2.2"), (b"http:/t/health", "9112 3.2"), (b"http:health", "9112 3.2"),
    (b"ftp://t/health", "9112 3.2.2"), (b"file:///health", "9112 3.2.2"), (b"://t/health", "9112 3.2.2"), (b"http://t\\health", "9112 3.2.2"),
    (b"http://t, http://u/health", "9112 3.2.2"),
):  # fmt: skip
    targets.refused(ascii(target)[2:-1], rule, line(b"GET " + target + b" HTTP/1.1"))
targets.refused("OPTIONS *x", "9112 3.2.4", line(b"OPTIONS *x HTTP/1.1"))
targets.refused("POST *", "9112 3.2.4", line(b"POST * HTTP/1.1"))
targets.refused("a URL without Host", "9112 3.2", line(b"GET http://t/health HTTP/1.1", b""))
targets.refused("longer than a head", "9112 3", line(b"GET /" + b"x" * 70_000 + b" HTTP/1.1"), 414)

# Host.
hosts = Table("host")
hosts.refused("missing, GET", "9112 3.2", line(b"GET /health HTTP/1.1", b""))
hosts.refused("missing, POST", "9112 3.2", POST.replace(HOST, b"") + LENGTH + END + BODY)
hosts.both_refused("twice", "9112 3.2", HOST)
hosts.both_refused("a second one", "9112 3.2", b"Host: u\r\n")
hosts.both_refused("a second one, empty", "9112 3.2", b"host:\r\n")
hosts.refused("twice in 1.0", "9112 3.2", line(b"GET /health HTTP/1.0", HOST + HOST))
hosts.refused("twice beside a URL", "9112 3.2", line(b"GET http://t/health HTTP/1.1", HOST + HOST))
# Empty is well written, and the one site that is served here is meant (9112 3.3).
for value in (b"t", b"t.example:8000", b"t:", b"127.0.0.1:80", b"[::1]:80", b"T.EXAMPLE", b"%74", b"xn--t", b"", b"a,b", b" t \t", b"\tt"):
    hosts.row(f"is {ascii(value)[1:]}", "9112 3.2", line(b"GET /health HTTP/1.1", b"Host:" + value + END), [200])
hosts.row("in another case", "9110 5.1", line(b"GET /health HTTP/1.1", b"hOsT: t\r\n"), [200])
for value in (
    b"a b", b"a, b", b"u@t", b"u:p@t", b"t/x", b"t/", b"http://t", b"//t", b"t?x", b"t#x", b"t:80a", b"t:-1", b"t:+80",
    b"t: 80", b"t :80", b"t:80:80", b"t:123456", b"::1", b"[::1", b"[]", b"::1]", b"[::1]x", b"t%", b"t%zz", b'"t"', b"<t>",
    b"t\\u", b"{t}", b"t\0", b"t\x7f", b"t\xe9", "té".encode(), b"t\tu",
):  # fmt: skip
    hosts.refused(f"is {ascii(value)[1:]}", "9112 3.2", line(b"GET /health HTTP/1.1", b"Host: " + value + END))
hosts.refused("folded", "9112 5.2", line(b"GET /health HTTP/1.1", b"Host:\r\n t\r\n"))
hosts.refused("space before its colon", "9112 5.1", line(b"GET /health HTTP/1.1", b"Host : t\r\n"))
hosts.refused("under a space", "9112 2.2", line(b"GET /health HTTP/1.1", b" Host: t\r\n"))

# Field lines.
fields = Table("field")
fields.both("empty value", "9110 5.5", b"X:\r\n")
fields.both("blank value", "9110 5.5", b"X: \t \r\n")
fields.both("no white space", "9112 5.1", b"X:y\r\n")
fields.both("white space around", "9112 5.1", b"X: \t y \t\r\n")
fields.both("tab inside", "9110 5.5", b"X: y\tz\r\n")
fields.both("high bytes", "9110 5.5", b"X: \x80\xff\r\n")
fields.both("colons", "9112 5.1", b"X::y:z:\r\n")
fields.both("every byte of a name", "9110 5.6.2", b"!#$%&'*+-.^_`|~09azAZ: y\r\n")
fields.both("lookalikes of a length", "9110 5.1", b"Content_Length: 0\r\nXContent-Length: 0\r\nContent-Length1: 0\r\n")
fields.both("lookalikes of a coding", "9110 5.1", b"Transfer_Encoding: chunked\r\nX-Transfer-Encoding: chunked\r\nTE: trailers\r\n")
fields.both("a coding of the content", "9110 8.4", b"Content-Encoding: chunked\r\n")
fields.both_refused("space before the colon", "9112 5.1", b"X : y\r\n")
fields.both_refused("tab before the colon", "9112 5.1", b"X\t: y\r\n")
fields.both_refused("no colon", "9112 5", b"X\r\n")
fields.both_refused("no name", "9112 5", b": y\r\n")
fields.both_refused("only a space", "9112 5.2", b" \r\n")
fields.both_refused("folded by a space", "9112 5.2", b"X: y\r\n z\r\n", why="a fold may be replaced by spaces")
fields.both_refused("folded by a tab", "9112 5.2", b"X: y\r\n\tz\r\n", why="a fold may be replaced by spaces")
fields.both_refused("folded before the value", "9112 5.2", b"X:\r\n y\r\n")
fields.both_refused("a length folded in", "9112 5.2", b"X: y\r\n Content-Length: 0\r\n")
fields.both_refused("CR inside", "9112 2.2", b"X: y\rz\r\n", why="a lone CR may be replaced by a space")
fields.both_refused("CR behind", "9112 2.2", b"X: y\r\r\n")
fields.both_refused("a length behind a CR", "9112 2.2", b"X: y\rContent-Length: 0\r\n")
fields.both_refused("a coding behind a CR", "9112 2.2", b"X: y\rTransfer-Encoding: chunked\r\n")
fields.both_refused("LF alone", "9112 2.2", b"X: y\n")
fields.both_refused("a length behind an LF", "9112 2.2", b"X: y\nContent-Length: 0\r\n")
fields.both_refused("LF CR", "9112 2.2", b"X: y\n\r")
fields.both_refused("an end of LF LF", "9112 2.2", b"X: y\n\n")
fields.both_refused("an end of CRLF LF", "9112 2.2", b"X: y\r\n\n")
fields.both_refused("an end of CRLF CR", "9112 2.2", b"X: y\r\n\rZ: z\r\n")
for byte in (0x00, 0x01, 0x08, 0x0B, 0x0C, 0x1B, 0x7F):
    fields.both_refused(f"byte {byte:#04x} in a value", "9110 5.5", b"X: a%cb\r\n" % byte)
for byte in b'\0\x01\x0b\x7f "(),/;<=>?@[\\]{}\x80\xe9':
    fields.refused(f"byte {byte:#04x} in a name", "9110 5.1", GET + b"X%cY: z\r\n" % byte + END)
fields.refused("space before the first one", "9112 2.2", line(b"GET /health HTTP/1.1", b" X: y\r\n" + HOST), why="such lines may be skipped")
fields.refused("tab before the first one", "9112 2.2", line(b"GET /health HTTP/1.1", b"\tX: y\r\n" + HOST))
fields.row("as many as are read", "9112 5", GET + b"X: y\r\n" * (FIELDS_MAX - 1) + END, [200])
fields.refused("one too many", "6585 5", GET + b"X: y\r\n" * FIELDS_MAX + END, 431)
LONG = HEAD_BYTES_MAX - len(GET) - len(b"X: \r\n\r\n")
fields.row("a head as long as is read", "9112 5", GET + b"X: " + b"y" * LONG + END + END, [200])
fields.refused("one byte too long", "6585 5", GET + b"X: " + b"y" * (LONG + 1) + END + END, 431)
fields.refused("a long value", "6585 5", GET + b"X: " + b"y" * 100_000 + END + END, 431)
fields.refused("a long name", "6585 5", GET + b"Y" * 100_000 + b": x" + END + END, 431)
fields.row("a head that breaks off", "9112 8", GET + b"X: y\r\n", [], CUT)
fields.row("a line that breaks off", "9112 8", b"GET /hea", [], CUT)
# The peer of HEAD reads no body, so there is none, whatever is wrong.
fields.refused("at fault in HEAD", "9110 9.3.2", b"HEAD" + GET[3:] + b"X : y\r\n" + END, bodiless=[0])

# Other protocols, and those that HTTP can turn into.
others = Table("upgrade")
SETTINGS = b"HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"
H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n" + SETTINGS
WEBSOCKET = b"GET /connection/websocket HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
VERSION, KEY = b"Sec-WebSocket-Version: 13\r\n", b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
others.both("to h2c", "9110 7.8", H2C)
others.both("to TLS", "9110 7.8", b"Connection: Upgrade\r\nUpgrade: TLS/1.2\r\n")
others.both("to a WebSocket elsewhere", "9110 7.8", b"Connection: Upgrade\r\nUpgrade: websocket\r\n" + VERSION + KEY)
others.row("to h2c with a hidden request", "9110 7.8", with_length(GET + H2C, HIDDEN), [200])
others.row("to a WebSocket", "6455 4.2", WEBSOCKET + VERSION + KEY + END, [101], FRAMES)
others.row("to a WebSocket, HTTP behind it", "6455 5.1", WEBSOCKET + VERSION + KEY + END + HIDDEN, [101], TORN)
others.refused("to a WebSocket with content", "6455 4.1", with_length(WEBSOCKET + VERSION + KEY, HIDDEN), why="where the frames begin is told twice")
others.refused("to a WebSocket with chunks", "6455 4.1", WEBSOCKET + VERSION + KEY + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n")
# Who forwards may believe that the protocol has changed, so the connection ends with the refusal.
for name, fields_sent in (("without key", VERSION), ("of version 99", b"Sec-WebSocket-Version: 99\r\n" + KEY), ("without version", KEY)):
    others.refused(f"to a WebSocket {name}", "6455 4.2.2", WEBSOCKET + fields_sent + END, why="the connection may stay")
others.refused("to a WebSocket by POST", "6455 4.1", b"POST" + WEBSOCKET[3:] + VERSION + KEY + END, 405)
others.refused("to a WebSocket in 1.0", "9110 7.8", WEBSOCKET.replace(b"HTTP/1.1", b"HTTP/1.0") + VERSION + KEY + END)
others.refused("preface of HTTP/2", "9113 3.4", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", 505)
HELLO = b"\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x03" + bytes(range(32)) + b"\x00\x00\x02\x13\x01\x01\x00\x00\x00"
for name, sent in (
    ("TLS", HELLO),
    ("SSL 2", b"\x80\x2e\x01\x00\x02" + bytes(43)),
    ("SSH", b"SSH-2.0-x\r\n"),
    ("SMTP", b"EHLO t\r\n"),
    ("Redis", b"*1\r\n$4\r\nPING\r\n"),
    ("PROXY 1", b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n" + GET + END),
    ("PROXY 2", b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0" + GET + END),
):
    others.refused(name, "9112 3", sent)

TABLES = [methods, lines, blanks, versions, targets, hosts, fields, others]
