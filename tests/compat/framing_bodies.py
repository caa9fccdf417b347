"""Rows about where a body ends, what a connection does next, and how two readers come apart (RFC 9112 6, 7, 9)."""

from framing_row import BODY, CHUNKED, CLOSED, CUT, END, GET, HIDDEN, HOST, LAST, LENGTH, POST, PUBLISH, Table, chunk, chunked, line, with_length

N = len(BODY)
BODY_BYTES_MAX, UNAUTHORIZED_BYTES_MAX, EXTENSION_BYTES_MAX = 64 << 20, 256 << 10, 256
NO_KEY = POST.replace(b"X-API-Key: k\r\n", b"")


def length(value):
    return b"Content-Length: " + value + END


def coding(value):
    return b"Transfer-Encoding: " + value + END


# Content-Length.
lengths = Table("length")
for name, value in (("plain", b"%d"), ("leading zeros", b"000%d"), ("spaces around", b"  %d  "), ("tabs around", b"\t%d\t")):
    lengths.row(name, "9110 8.6", POST + length(value % N) + END + BODY, [200], published=1)
lengths.row("its name in capitals", "9110 5.1", POST + LENGTH.upper() + END + BODY, [200], published=1)
# Without a length the body is empty (9112 6.3), which is no command: server-api 1.4.
lengths.row("none", "9112 6.3", POST + END, [400])
lengths.row("none, and a request behind it", "9112 6.3", POST + END + PUBLISH, [400, 200], published=1)
lengths.row("none, and a body behind it", "9112 6.3", POST + END + BODY, [400, 400], CLOSED)
lengths.row("zero", "9112 6.3", POST + length(b"0") + END, [400])
lengths.row("one too few", "9112 6.3", POST + length(b"%d" % (N - 1)) + END + BODY, [400, 400], CLOSED)
lengths.row("one too many, cut", "9112 8", POST + length(b"%d" % (N + 1)) + END + BODY, [], CUT)
lengths.row("no body, cut", "9112 8", POST + LENGTH + END, [], CUT)
for value in (
    b"-%d", b"+%d", b"0x%x", b"%d,%d", b"%d, %d", b"%d,", b",%d", b"%d %d", b"%d\t%d", b"0 %d", b"%d;", b"%d;x", b'"%d"',
    b"%d.0", b"%d.", b"%de0", b"0%d_0", b"0b%d", b"0o%d", b"%dL", b"%d\x0b", b"\x0b%d", b"%d\0", b"\0%d", b"%d\r", b"a%d",
    b"(%d)", b"%d%%20", b"\xc2\xa0%d", b"%d\x85",
):  # fmt: skip
    bad = value % ((N,) * value.replace(b"%%", b"").count(b"%"))
    lengths.refused(f"is {ascii(bad)[2:-1]}", "9112 6.3", POST + length(bad) + END + BODY)
lengths.refused("is empty", "9112 6.3", POST + length(b"") + END + BODY)
lengths.refused("is blank", "9112 6.3", POST + length(b"  \t") + END + BODY)
lengths.refused("is no number", "9112 6.3", POST + length(b"chunked") + END + BODY)
lengths.refused("of wide digits", "9112 6.3", POST + length("４１".encode()) + END + BODY)
lengths.refused("of 20 digits", "9110 8.6", POST + length(b"9" * 20) + END + BODY)
lengths.refused("of 64 bits and one", "9110 8.6", POST + length(b"18446744073709551616") + END + BODY)
lengths.refused("that wraps around", "9110 8.6", POST + length(b"%d" % ((1 << 64) + N)) + END + BODY)
lengths.refused("of 1000 digits", "9110 8.6", POST + length(b"0" * 998 + b"%d" % N) + END + BODY, why="zeros in front are no fault, so many are")
lengths.refused("of 63 bits and one", "9110 15.5.14", POST + length(b"9223372036854775808") + END + BODY, 413)
lengths.refused("of 32 bits and the body", "9110 15.5.14", POST + length(b"%d" % ((1 << 32) + N)) + END + BODY, 413)
lengths.refused("over the limit", "9110 15.5.14", POST + length(b"%d" % (BODY_BYTES_MAX + 1)) + END + BODY, 413)
lengths.refused("over the limit without key", "9110 15.5.14", NO_KEY + length(b"%d" % (UNAUTHORIZED_BYTES_MAX + 1)) + END, 413)
for first, second in ((N, N), (N, 0), (0, N), (N, N + 1)):
    name = f"twice, {['other', 'same'][first == second]}, {'empty' if not first else 'whole'} first, {second - first:+}"
    both = length(b"%d" % first) + length(b"%d" % second)
    lengths.refused(name, "9112 6.3", POST + both + END + BODY, why="equal ones may be read as one" if first == second else "")
lengths.refused("twice, in two cases", "9112 6.3", POST + LENGTH + LENGTH.lower() + END + BODY)
lengths.refused("twice, apart", "9112 6.3", POST + LENGTH + b"X: y\r\n" + LENGTH + END + BODY)
lengths.refused("twice, one bad", "9112 6.3", POST + LENGTH + length(b"x") + END + BODY)
lengths.refused("twice in 1.0", "9112 6.3", POST.replace(b"1.1", b"1.0") + LENGTH + LENGTH + END + BODY)
lengths.refused("twice in GET", "9112 6.3", GET + length(b"0") * 2 + END)
lengths.refused("folded", "9112 5.2", POST + b"Content-Length:\r\n %d\r\n" % N + END + BODY)
lengths.refused("space before its colon", "9112 5.1", POST + b"Content-Length : %d\r\n" % N + END + BODY)
lengths.refused("NUL in its name", "9110 5.1", POST + b"Content-Length\0: %d\r\n" % N + END + BODY)
lengths.row("in 1.0", "9112 6.3", POST.replace(b"1.1", b"1.0") + LENGTH + END + BODY, [200], CLOSED, published=1)

# Transfer-Encoding.
codings = Table("coding")
WHOLE = chunk(BODY) + LAST
for value in (b"chunked", b"CHUNKED", b"cHuNkEd", b"  chunked", b"\tchunked", b"chunked \t"):
    codings.row(f"is {ascii(value)[2:-1]}", "9112 7", chunked(WHOLE, fields=coding(value)), [200], published=1)
codings.row("without white space", "9112 5.1", chunked(WHOLE, fields=b"transfer-encoding:chunked\r\n"), [200], published=1)
codings.row("of GET", "9112 6.1", chunked(LAST, GET), [200])
codings.row("and TE", "9110 10.1.4", chunked(WHOLE, fields=b"TE: trailers, chunked\r\n" + CHUNKED), [200], published=1)
# `chunked` ends the list, but another one is not understood.
for value in (b"gzip, chunked", b"identity, chunked", b"deflate,chunked", b"cow, chunked", b"gzip, gzip, CHUNKED", b"xchunked, chunked"):
    codings.refused(f"is {value.decode()}", "9112 6.1", chunked(WHOLE, fields=coding(value)), 501)
# Without `chunked` at its end nobody knows where the body ends: 400, even when the coding is unknown (9112 6.3, point 4).
for value in (
    b"identity", b"gzip", b"xchunked", b"chunkedx", b"chunk", b"x", b"'chunked'", b"chunked, gzip", b"chunked, identity",
    b"gzip, chunked, identity", b"chunked, x",
):  # fmt: skip
    codings.refused(f"is {value.decode()}", "9112 6.3", chunked(WHOLE, fields=coding(value)))
for value in (
    b"chunked, chunked", b"chunked,chunked", b"chunked, gzip, chunked", b"chunked chunked", b"gzip chunked", b"chunked;",
    b"chunked;q=1", b'"chunked"', b"chunked\t,", b"chunked=1", b"\x0bchunked", b"\x0cchunked", b"chunked\x0b", b"chunked\0",
    b"\0chunked", b"chun\x01ked", b"\xa0chunked", b"chunked\xa0", b"\xc2\xa0chunked", "chunĸed".encode(), b"chunked\r",
    b"[chunked]", b"chun\\ked", b"chun%6bed",
):  # fmt: skip
    codings.refused(f"is {ascii(value)[2:-1]}", "9112 6.1", chunked(WHOLE, fields=coding(value)))
for value in (b"chunked,", b",chunked", b", chunked", b"chunked, ,", b",", b"", b"  "):
    codings.refused(f"is {ascii(value)[1:]}", "9110 5.6.1", chunked(WHOLE, fields=coding(value)), why="empty members may be ignored")
for first, second in (
    (b"chunked", b"chunked"), (b"chunked", b"identity"), (b"identity", b"chunked"), (b"gzip", b"chunked"), (b"x", b"chunked"),
    (b"chunked", b""), (b"", b"chunked"),
):  # fmt: skip
    name = f"twice, {first.decode() or 'nothing'} and {second.decode() or 'nothing'}"
    codings.refused(name, "9112 6.3", chunked(WHOLE, fields=coding(first) + coding(second)), why="two lines may be one list")
codings.refused("in 1.0", "9112 6.1", chunked(WHOLE, POST.replace(b"1.1", b"1.0")))
codings.refused("in 1.0, keep-alive", "9112 6.1", chunked(WHOLE, POST.replace(b"1.1", b"1.0"), b"Connection: keep-alive\r\n" + CHUNKED))
codings.refused("in 1.0 with a length", "9112 6.1", POST.replace(b"1.1", b"1.0") + LENGTH + CHUNKED + END + BODY)

# Chunks.
chunks = Table("chunk")


def good(name, body, rule="9112 7.1"):
    chunks.row(name, rule, chunked(body), [200], published=1)


def bad(name, body, rule="9112 7.1", status=400, why=""):
    chunks.refused(name, rule, chunked(body), status, why=why)


good("one", WHOLE)
good("two", chunk(BODY[:5]) + chunk(BODY[5:]) + LAST)
good("a byte each", b"".join(chunk(b" ") for _ in range(N)) + WHOLE)
good("size in lower case", chunk(BODY + b" " * (0xAB - N), b"ab") + LAST)
good("size in upper case", chunk(BODY + b" " * (0xAB - N), b"AB") + LAST)
good("size with zeros in front", chunk(BODY, b"00%x" % N) + LAST)
good("size of 16 digits", chunk(BODY, b"%016x" % N) + LAST)
good("last one of many zeros", chunk(BODY) + b"0000\r\n\r\n")
chunks.row("none", "9112 7.1", chunked(LAST), [400])
bad("size of 17 digits", chunk(BODY, b"%017x" % N) + LAST, why="zeros in front are no fault, so many are")
bad("size of 64 bits and one", chunk(BODY, b"10000000000000000") + LAST)
bad("size that wraps around", chunk(BODY, b"1%016x" % N) + LAST)
bad("size of 64 ones", chunk(BODY, b"f" * 16) + LAST, "9110 15.5.14", 413)
bad("size of 32 bits and the body", chunk(BODY, b"1%08x" % N) + LAST, "9110 15.5.14", 413)
bad("size over the limit", chunk(BODY, b"%x" % (BODY_BYTES_MAX + 1)), "9110 15.5.14", 413)
bad("sizes over the limit", chunk(BODY) + chunk(b"", b"%x" % BODY_BYTES_MAX), "9110 15.5.14", 413)
for size in (
    b"+%x", b"-%x", b"0x%x", b"0X%x", b"%xh", b" %x", b"\t%x", b"%x ", b"%x\t", b"%x \t ", b"%x\x0b", b"%x\0", b"\0%x",
    b"%x %x", b"%x,", b"%x,%x", b"%x.0", b"%x_0", b'"%x"', b"%xg", b"g", b"", b" ", b"\xc2\xa0%x", b"%x\xa0", b"\\x%x", b"%x=1",
    b"%x:",
):  # fmt: skip
    text = size % ((N,) * size.count(b"%"))
    bad(f"size {ascii(text)[1:]}", chunk(BODY, text) + LAST)
bad("size of wide digits", chunk(BODY, "２９".encode()) + LAST)
bad("an empty line before", END + WHOLE)
bad("an empty line between", chunk(BODY[:5]) + END + chunk(BODY[5:]) + LAST)
for end in (b"\n", b"\r", b"\r\r\n", b"\n\r", b"\n\n", b"\0\r\n"):
    bad(f"size line ends in {ascii(end)[1:]}", b"%x" % N + end + BODY + END + LAST)
    bad(f"last size line ends in {ascii(end)[1:]}", chunk(BODY) + b"0" + end + END)
for end in (b"", b"\n", b"\r", b"\r\r\n", b"\n\r", b"\n\n", b"  ", b"XX", b"X\r\n", b" \r\n", b"\0\0", b"\r\0"):
    bad(f"data ends in {ascii(end)[1:]}", b"%x\r\n" % N + BODY + end + LAST)
for end in (b"\n", b"\rX", b"\n\r\n", b"\r\r\n", b"X", b"0\r\n\r\n", b"\0\r\n"):
    bad(f"the end is {ascii(end)[1:]}", chunk(BODY) + b"0\r\n" + end, "9112 7.1.2")
for size in (b"-0", b"+0", b"0x0", b"0 ", b" 0", b"0;"):
    bad(f"last size {ascii(size)[1:]}", chunk(BODY) + size + END + END)
bad("size one too small", chunk(BODY, b"%x" % (N - 1)) + LAST)
bad("size one too large", chunk(BODY, b"%x" % (N + 1)) + LAST)
chunks.row("no last one, cut", "9112 8", chunked(chunk(BODY)), [], CUT)
chunks.row("no end, cut", "9112 8", chunked(chunk(BODY) + b"0\r\n"), [], CUT)
chunks.row("in the middle, cut", "9112 8", chunked(chunk(BODY)[:-9]), [], CUT)

# Their extensions.
EXTENSION = "9112 7.1.1"
for text in (
    b";a", b";a=b", b';a="b"', b';a=""', b';a="b;c=d"', b';a="b\\"c"', b';a="\\\\"', b';a="\t \x80"', b";a;b;c",
    b";a=b;c=\"d\";e", b" ; a = b", b"\t;\ta", b';a="b" ;c', b";" + b"a" * 200,
):  # fmt: skip
    good(f"extension {ascii(text[:20])[1:]}", chunk(BODY, extension=text) + LAST, EXTENSION)
    good(f"last extension {ascii(text[:20])[1:]}", chunk(BODY) + b"0" + text + END + END, EXTENSION)
for text in (
    b";", b";;", b";a;", b"; ", b";=b", b";a=", b";a==b", b";a=b=c", b";a b", b";a=b c", b';a="b', b';a="b"c', b';a=b"c"',
    b';a="\\"', b';"a"', b";a,b", b";a\x80", b";a=(b)", b" ;a ", b";a\0", b";a=\x0b", b";a\x7f", b';a="\x01"',
):  # fmt: skip
    bad(f"extension {ascii(text)[1:]}", chunk(BODY, extension=text) + LAST, EXTENSION, why="bad ones could be ignored")
bad("extension longer than is read", chunk(BODY, extension=b";" + b"a" * EXTENSION_BYTES_MAX) + LAST, EXTENSION)
bad("extensions longer than is read", b"".join(chunk(b" ", extension=b";" + b"a" * 200) for _ in range(99)) + WHOLE, EXTENSION)

# Their trailers.
TRAILER = "9112 7.1.2"
for trailer in (b"X: y\r\n", b"X:\r\nY: z\r\n", b"Digest: \x80\r\n", b"X: y\tz \r\n", b"X: " + b"y" * 8000 + END):
    good(f"trailer {ascii(trailer[:20])[1:]}", chunk(BODY) + b"0\r\n" + trailer + END, TRAILER)
for name in (
    b"Content-Length", b"content-length", b"Transfer-Encoding", b"Host", b"Content-Type", b"Content-Encoding", b"Authorization",
    b"X-API-Key", b"Connection", b"Upgrade", b"Expect", b"Trailer", b"TE", b"Cookie",
):  # fmt: skip
    bad(f"trailer {name.decode()}", chunk(BODY) + b"0\r\n" + name + b": 0\r\n\r\n", "9110 6.5.1", why="it may be dropped")
for trailer in (
    b"X : y\r\n", b"X\t: y\r\n", b" X: y\r\n", b"X: y\r\n z\r\n", b"X\r\n", b": y\r\n", b"X: y\n", b"X: y\n\n", b"X: y\rz\r\n",
    b"X: a\0b\r\n", b"X: \x7f\r\n", b"X(: y\r\n", b"X\x80: y\r\n", b" \r\n", b"X: y\r\nContent-Length: 0\r\n",
    b"GET /health HTTP/1.1\r\n",
):  # fmt: skip
    bad(f"trailer {ascii(trailer)[1:]}", chunk(BODY) + b"0\r\n" + trailer + END, TRAILER)
bad("trailers without end", chunk(BODY) + b"0\r\n" + b"X: y\r\n" * 2000, TRAILER, 431)
bad("a trailer without end", chunk(BODY) + b"0\r\nX: " + b"y" * 10_000, TRAILER, 431)
bad("too many trailers", chunk(BODY) + b"0\r\n" + b"X: y\r\n" * 33 + END, TRAILER, 431)

# Two readers, and what one of them takes for a request of its own.
desyncs = Table("desync")
BEHIND, INSIDE = LAST + HIDDEN, chunk(HIDDEN) + LAST
for name, fields in (("CL.TE", length(b"%d" % len(BEHIND)) + CHUNKED), ("CL.TE, other order", CHUNKED + length(b"%d" % len(BEHIND)))):
    desyncs.refused(name, "9112 6.1", POST + fields + END + BEHIND, why="the length may be ignored")
    desyncs.refused(f"{name}, GET", "9112 6.1", GET + fields + END + BEHIND, why="the length may be ignored")
for name, fields in (
    ("TE.CL", length(b"4") + CHUNKED), ("TE.CL, other order", CHUNKED + length(b"4")), ("TE.CL, zero", length(b"0") + CHUNKED),
):  # fmt: skip
    desyncs.refused(name, "9112 6.1", POST + fields + END + INSIDE, why="the length may be ignored")
    desyncs.refused(f"{name}, GET", "9112 6.1", GET + fields + END + INSIDE, why="the length may be ignored")
desyncs.refused("CL.CL", "9112 6.3", POST + length(b"0") + length(b"%d" % len(HIDDEN)) + END + HIDDEN)
# TE.TE: a coding that one reader overlooks, beside a length that it then follows.
for spelling in (
    b"Transfer-Encoding: xchunked", b"Transfer-Encoding : chunked", b"Transfer-Encoding\t: chunked", b"Transfer-Encoding:\x0bchunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x", b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked", b"Transfer-Encoding:\r\n chunked",
    b"Transfer-Encoding: identity, chunked", b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding:\tchunked", b"transfer-ENCODING: chunked",
    b" Transfer-Encoding: chunked", b"X: y\r\n Transfer-Encoding: chunked", b"X: y\rTransfer-Encoding: chunked", b"X: y\nTransfer-Encoding: chunked",
    b"X: y\r\r\nTransfer-Encoding: chunked", b"\0Transfer-Encoding: chunked", b"Transfer-Encoding\0: chunked", b"Transfer-Encoding: \0chunked",
    b"Transfer-Encoding: chunked\0", b"Transfer-Encoding: 'chunked'", b'Transfer-Encoding: "chunked"', b"Transfer-Encoding: chunked;x", b"Transfer-Encoding:",
    b"Transfer-\r\nEncoding: chunked", b"Transfer-Encoding\r\n: chunked", b"Transfer-Encoding; chunked", b"Transfer Encoding: chunked", b"Transfer-Encoding chunked",
    b"\xefTransfer-Encoding: chunked", b"Tran\xc5\xbffer-Encoding: chunked", b"Transfer-Encoding: chun\xe2\x84\xaaed", b"Transfer-Encoding\x85: chunked",
):  # fmt: skip
    desyncs.refused(f"TE.TE, {ascii(spelling)[2:-1]}", "9112 6.1", POST + length(b"%d" % len(BEHIND)) + spelling + END + END + BEHIND)
# 0.CL and CL.0: a body where one reader expects none.
UNSERVED, SOCKET = b" /nothing HTTP/1.1\r\n" + HOST, b" /connection/websocket HTTP/1.1\r\n" + HOST
for name, head, status in (
    ("GET /health", GET, 200), ("POST /health", b"POST" + GET[3:], 200), ("OPTIONS *", b"OPTIONS * HTTP/1.1\r\n" + HOST, 200),
    ("GET of the API", b"GET" + POST[4:], 405), ("GET of nothing", b"GET" + UNSERVED, 404), ("POST of nothing", b"POST" + UNSERVED, 404),
    ("POST without key", NO_KEY, 401),
):  # fmt: skip
    desyncs.row(f"CL.0, {name}", "9110 9.3.1", with_length(head, HIDDEN), [status])
    desyncs.row(f"TE.0, {name}", "9112 6.3", chunked(INSIDE, head), [status])
    desyncs.refused(f"TE.0, {name}, no chunks", "9112 6.3", chunked(b"", head))
desyncs.row("CL.0, HEAD", "9110 9.3.2", with_length(b"HEAD" + GET[3:], HIDDEN), [200], bodiless=[0])
desyncs.row("CL.0, not an upgrade", "6455 4.2.2", with_length(b"POST" + SOCKET, HIDDEN) + HIDDEN, [400], CLOSED)
desyncs.refused("0.CL, GET with a lone CR", "9112 2.2", with_length(GET + b"X:\ry\r\n", HIDDEN))
desyncs.steps("0.CL, asked first", "9110 10.1.1", (GET + b"Expect: 100-continue\r\n" + length(b"%d" % len(HIDDEN)) + END, [100]), (HIDDEN, [200]))
desyncs.row("of a publish in a publish", "9112 6.3", with_length(POST, BODY + b" " + b" " * 99) + PUBLISH, [200, 200], published=2)
# A line feed that only one reader ends a line at; and bytes behind the data that one of them skips.
LINE = b"0\r\n\r\n" + HIDDEN
for name, body in (
    ("TERM.EXT", b"%x;\n%s\r\n0\r\n\r\n" % (len(LINE), LINE)), ("TERM.EXT, named", b"2;a\nxx\r\n%x\r\n0\r\n\r\n" % len(LINE) + LINE),
    ("EXT.TERM", b"%x;a\nx\r\n%s\r\n" % (N, BODY) + LINE), ("EXT.TERM, quoted", b'%x;a="\n"\r\n%s\r\n' % (N, BODY) + LINE),
    ("EXT.TERM, CR", b"%x;a\rx\r\n%s\r\n" % (N, BODY) + LINE), ("EXT.TERM, CRLF in quotes", b'%x;a="\r\n"\r\n%s\r\n' % (N, BODY) + LINE),
    ("TERM.SPILL", chunk(BODY)[:-2] + b"\n" + LINE), ("SPILL.TERM", chunk(BODY)[:-2] + b"XX" + LINE), ("SPILL.TERM, CR", chunk(BODY)[:-2] + b"\rX" + LINE),
    ("ONE.TWO", b"%x\n" % N + BODY + b"\n" + LINE), ("TWO.ONE", chunk(BODY)[:-2] + b"\r" + LINE), ("ZERO.TWO", chunk(BODY)[:-2] + LINE),
    ("last of LF", chunk(BODY) + b"0\n\n" + HIDDEN), ("last of CR", chunk(BODY) + b"0\r\r" + HIDDEN), ("last without end", chunk(BODY) + b"0\r\n" + HIDDEN),
    ("trailer that is a request", chunk(BODY) + b"0\r\nX: y\r\n" + HIDDEN), ("size over the end", chunk(BODY[:9], b"%x" % N) + LINE),
):  # fmt: skip
    desyncs.refused(f"chunks, {name}", "9112 7.1", chunked(body))

# Expectations.
expects = Table("expect")
ASKED = b"Expect: 100-continue\r\n"
for name, asked in (
    ("plain", ASKED), ("in capitals", ASKED.upper()), ("twice", ASKED * 2),
    ("as a list", b"Expect: 100-continue, 100-Continue\r\n"),
):  # fmt: skip
    expects.steps(name, "9110 10.1.1", (POST + asked + LENGTH + END, [100]), (BODY, [200]), published=1)
expects.steps("of chunks", "9110 10.1.1", (POST + ASKED + CHUNKED + END, [100]), (WHOLE, [200]), published=1)
expects.steps("and a second request", "9110 10.1.1", (POST + ASKED + LENGTH + END, [100]), (BODY + PUBLISH, [200, 200]), published=2)
expects.steps("without key", "9110 10.1.1", (NO_KEY + ASKED + LENGTH + END, [100]), (BODY, [401]))
expects.row("of GET", "9110 10.1.1", GET + ASKED + END, [200])
expects.row("of an empty body", "9110 10.1.1", POST + ASKED + length(b"0") + END, [400])
expects.row("empty", "9110 10.1.1", POST + b"Expect:\r\n" + LENGTH + END + BODY, [200], published=1)
expects.row("in 1.0", "9110 10.1.1", POST.replace(b"1.1", b"1.0") + ASKED + LENGTH + END + BODY, [200], CLOSED, published=1)
for value in (
    b"x", b"100", b"100-continue, x", b"x 100-continue", b"100-continue=1", b"100-continue;x", b"101-continue",
    b'"100-continue"',
):  # fmt: skip
    expects.refused(f"is {value.decode()}", "9110 10.1.1", POST + b"Expect: " + value + END + LENGTH + END + BODY, 417)
expects.refused("over the limit", "9110 15.5.14", POST + ASKED + length(b"%d" % (BODY_BYTES_MAX + 1)) + END, 413)
expects.refused("and two lengths", "9112 6.3", POST + ASKED + LENGTH + LENGTH + END + BODY)

# What becomes of the connection.
connections = Table("connection")
OLD = b"GET /health HTTP/1.0\r\n"
for value in (
    b"close", b"Close", b"CLOSE", b"close, keep-alive", b"keep-alive, close", b"x,close,", b"close\r\nConnection: keep-alive",
    b"keep-alive\r\nConnection: close",
):  # fmt: skip
    connections.row(f"is {ascii(value)[2:-1]}", "9112 9.6", GET + b"Connection: " + value + END + END + HIDDEN, [200], CLOSED)
    connections.row(f"is {ascii(value)[2:-1]}, POST", "9112 9.6", POST + b"Connection: " + value + END + LENGTH + END + BODY + HIDDEN, [200], CLOSED, published=1)
for value in (b"keep-alive", b"closed", b'"close"', b"x close", b"xclose", b"", b","):
    connections.row(f"is {value.decode() or 'empty'}", "9112 9.3", GET + b"Connection: " + value + END + END, [200])
for name in (b"Host", b"Content-Length", b"X-API-Key", b"Transfer-Encoding", b"Connection"):
    # Only who forwards takes these fields away.
    connections.row(f"names {name.decode()}", "9110 7.6.1", POST + b"Connection: " + name + END + LENGTH + END + BODY, [200], published=1)
connections.row("names Transfer-Encoding, chunked", "9110 7.6.1", chunked(WHOLE, fields=b"Connection: transfer-encoding\r\n" + CHUNKED), [200], published=1)
connections.both("of a proxy", "9112 C.2.2", b"Proxy-Connection: close\r\nKeep-Alive: timeout=0\r\n")
connections.row("1.0, keep-alive", "9112 9.3", OLD + b"Connection: keep-alive\r\n" + END, [200])
connections.row("1.0, Keep-Alive", "9112 9.3", OLD + b"Connection: x, Keep-Alive\r\n" + END, [200])
connections.row("1.0, keep-alive and close", "9112 9.3", OLD + b"Connection: keep-alive, close\r\n" + END + HIDDEN, [200], CLOSED)
connections.row("1.0, other", "9112 9.3", OLD + b"Connection: x\r\n" + END + HIDDEN, [200], CLOSED)

# Requests one behind the other.
pipelines = Table("pipeline")
BROKEN = GET + b"X : y\r\n" + END
pipelines.row("two", "9112 9.3.2", GET + END + GET + END, [200, 200])
pipelines.row("two publications", "9112 9.3.2", PUBLISH * 2, [200, 200], published=2)
pipelines.row("fifty", "9112 9.3.2", (PUBLISH + GET + END) * 25, [200, 200] * 25, published=25)
pipelines.row("chunked and plain", "9112 9.3.2", chunked(WHOLE) + PUBLISH + chunked(WHOLE), [200] * 3, published=3)
pipelines.row("HEAD and GET", "9110 9.3.2", b"HEAD" + GET[3:] + END + GET + END, [200, 200], bodiless=[0])
pipelines.row("refusals of the API", "9112 9.3.2", b"GET" + POST[4:] + END + NO_KEY + END + PUBLISH, [405, 401, 200], published=1)
pipelines.row("good and bad", "9112 9.3.2", GET + END + BROKEN, [200, 400], CLOSED)
pipelines.row("good, bad, good", "9112 9.3.2", PUBLISH + BROKEN + HIDDEN, [200, 400], CLOSED, published=1)
pipelines.row("good, bad chunks, good", "9112 9.3.2", PUBLISH + chunked(chunk(BODY, b"+1") + LAST) + HIDDEN, [200, 400], CLOSED, published=1)
pipelines.row("good, last, good", "9112 9.6", PUBLISH + GET + b"Connection: close\r\n" + END + HIDDEN, [200, 200], CLOSED, published=1)
pipelines.row("good, 1.0, good", "9112 9.3", PUBLISH + line(OLD[:-2]) + HIDDEN, [200, 200], CLOSED, published=1)
pipelines.row("good, 2.0, good", "9110 15.6.6", PUBLISH + line(b"GET /health HTTP/2.0") + HIDDEN, [200, 505], CLOSED, published=1)
pipelines.row("good, unknown coding, good", "9112 6.1", PUBLISH + chunked(WHOLE, fields=coding(b"gzip, chunked")) + HIDDEN, [200, 501], CLOSED, published=1)
pipelines.row("good and a cut one", "9112 8", PUBLISH + PUBLISH[:-1], [200], CUT, published=1)
pipelines.refused("bad and good", "9112 9.3.2", BROKEN)
pipelines.refused("bad and good, twice", "9112 9.3.2", BROKEN + PUBLISH + BROKEN)

TABLES = [lengths, codings, chunks, desyncs, expects, connections, pipelines]
