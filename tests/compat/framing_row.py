"""What a row of the framing table is, and the pieces that requests are made of.

A row says which bytes go to the server, which answers come back, in order, whether the connection is closed then, and how
often a publication was carried out. Where the RFCs leave a choice, the strict one stands in the table, and `why` names it.
"""

from dataclasses import dataclass

# After the answers the connection
OPEN = "open"  # answers a further request
CLOSED = "closed"  # is at its end, although this side would send more
CUT = "cut"  # is at its end after this side has ended its own half
FRAMES = "frames"  # speaks WebSocket: a ping is answered
TORN = "torn"  # speaks WebSocket, and what follows the handshake are no frames

# Each run of a row replaces it by a channel of its own, of the same length.
CHANNEL = b"hist:########"
BODY = b'{"channel":"' + CHANNEL + b'","data":1}'
HOST = b"Host: t\r\n"
GET = b"GET /health HTTP/1.1\r\n" + HOST
POST = b"POST /api/publish HTTP/1.1\r\n" + HOST + b"X-API-Key: k\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
END = b"\r\n"
PUBLISH = POST + LENGTH + END + BODY
# Hidden where a second reader could find it: it counts when it was carried out.
HIDDEN = PUBLISH


@dataclass(frozen=True)
class Row:
    id: str
    # An RFC and a section of it, or a page of the specification with its section.
    rule: str
    # Each piece is sent after the answers to the former ones have come.
    pieces: tuple[tuple[bytes, tuple[int, ...]], ...]
    end: str
    published: int
    # Places of answers that have no body although their fields tell a length.
    bodiless: tuple[int, ...]
    why: str

    @property
    def answers(self):
        return [status for _, statuses in self.pieces for status in statuses]

    @property
    def sent(self):
        return b"".join(piece for piece, _ in self.pieces)


class Table:
    """Rows of one subject; their ids begin with its name."""

    def __init__(self, subject):
        self.subject, self.rows = subject, []

    def row(self, id, rule, sent, answers, end=OPEN, published=0, bodiless=(), why=""):
        pieces = ((sent, tuple(answers)),)
        self.rows.append(Row(f"{self.subject}/{id}", rule, pieces, end, published, tuple(bodiless), why))

    def steps(self, id, rule, *pieces, end=OPEN, published=0, why=""):
        pieces = tuple((sent, tuple(answers)) for sent, answers in pieces)
        self.rows.append(Row(f"{self.subject}/{id}", rule, pieces, end, published, (), why))

    def refused(self, id, rule, sent, status=400, bodiless=(), why=""):
        """One answer, then the end: nothing behind the fault is read, not even a good request."""
        self.row(id, rule, sent + HIDDEN, [status], CLOSED, 0, bodiless, why)

    def both_refused(self, id, rule, fields, status=400, why=""):
        """Field lines that are at fault in every request."""
        self.refused(f"{id}, GET", rule, GET + fields + END, status, why=why)
        self.refused(f"{id}, POST", rule, POST + fields + LENGTH + END + BODY, status, why=why)

    def both(self, id, rule, fields, why=""):
        """Field lines that no request takes harm from."""
        self.row(f"{id}, GET", rule, GET + fields + END, [200], why=why)
        self.row(f"{id}, POST", rule, POST + fields + LENGTH + END + BODY, [200], published=1, why=why)


def line(text, fields=HOST):
    """A request of this line, without a body."""
    return text + END + fields + END


def with_length(head, body):
    return head + b"Content-Length: %d\r\n" % len(body) + END + body


def chunk(data, size=None, extension=b""):
    return (b"%x" % len(data) if size is None else size) + extension + END + data + END


LAST = b"0\r\n\r\n"


def chunked(body, head=POST, fields=CHUNKED):
    """A request with these bytes behind its head."""
    return head + fields + END + body
