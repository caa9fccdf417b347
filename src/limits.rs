//! Every hard bound of the server, with what happens at the bound and the relations between bounds.
//!
//! Bounds that operators set are options (`config::settings`); these are the ones that code relies on.

/// Cores of one process: interest of cores in a channel is a bit set of one word.
pub const CORES_MAX: usize = 64;

/// Messages that wait for one core. A full queue spills into a list of the sender, which then stops reading its
/// sockets until the list is empty: nothing is dropped between cores.
pub const MESH_QUEUE_MESSAGES: usize = 8192;

/// Messages that a core takes from its inbox before it looks at its sockets again.
pub const INBOX_PER_TURN: usize = 256;

/// Completions that a core takes from its ring before it looks at its inbox again.
pub const COMPLETIONS_PER_TURN: usize = 64;

/// Sockets written between two looks at ring and inbox: about 0.3 ms.
pub const WRITES_PER_SLICE: usize = 64;

/// What goes to so many connections of a core at most goes ahead of what goes to more.
pub const EXPRESS_AUDIENCE: usize = WRITES_PER_SLICE;

// Sockets that have become writable are completions; each other one is written to once in a slice.
const _: () = assert!(COMPLETIONS_PER_TURN + WRITES_PER_SLICE <= 128, "a turn has at most 128 sends");

/// A connection for which more waits within its write delay is written to at once.
pub const WAITING_BYTES: usize = 64 << 10;

/// The longest write delay.
pub const WRITE_DELAY_SECONDS_MAX: u64 = 10;

/// Receive buffers of one core; all taken: receives end with ENOBUFS and are armed again after the turn.
pub const RECEIVE_BUFFERS: u16 = 256;

/// Bytes of one receive buffer.
pub const RECEIVE_BUFFER_BYTES: usize = 4096;

/// Bytes of the header block of a request; more is answered with 431.
pub const HTTP_HEAD_BYTES_MAX: usize = 64 << 10;

/// Field lines of a request; more is answered with 431.
pub const HTTP_FIELDS_MAX: usize = 128;

/// Body bytes that a request without a valid API key may have: it is refused anyway.
pub const HTTP_BODY_BYTES_UNAUTHORIZED_MAX: usize = 256 << 10;

/// Time from the first byte of a request to the end of its head; then 408 and close.
pub const HTTP_HEAD_TIMEOUT_MS: u64 = 10_000;

/// Longest silence within a request body; then 408 and close.
pub const HTTP_BODY_TIMEOUT_MS: u64 = 30_000;

/// Bytes per second that a body brings at least, behind that time; a drip that is never silent is no body. Then 408 and close.
pub const HTTP_BODY_BYTES_PER_SECOND_MIN: u64 = 500;

/// A peer that is not a client of the client protocol and takes nothing of what waits for it for so long is cut.
pub const HTTP_WRITE_TIMEOUT_MS: u64 = 30_000;

/// Silence between two requests of a connection; then it is closed.
pub const HTTP_IDLE_TIMEOUT_MS: u64 = 300_000;

/// Ciphertext of one connection that the kernel has not taken yet, apart from the last record's overhead; then nothing
/// more is encrypted and the rest waits in the outbox. Four records of the largest size.
pub const TLS_BUFFER_BYTES: usize = 64 << 10;

/// Between two looks at the files of certificates; a change counts when two looks have found the same.
pub const CERTIFICATE_LOOK_MS: u64 = 2_000;

/// How long the server waits for the peer's close frame or end of stream after its own (Centrifugo: 5 s).
pub const CLOSE_TIMEOUT_MS: u64 = 5_000;

/// Time from the first byte of a WebSocket message to its last; then 1008. As many fragments as fit in that are taken.
pub const MESSAGE_TIMEOUT_MS: u64 = 30_000;

/// Pings, pongs and empty fragments of one WebSocket per second, which say nothing; more ends it with 3013.
pub const IDLE_FRAMES_PER_SECOND: u32 = 100;

/// So many at once.
pub const IDLE_FRAMES_BURST: u32 = 1_000;

/// Undecoded input kept while a connection waits for an answer of another core; above it the socket is not read.
pub const INPUT_BYTES_PAUSE: usize = 64 << 10;

/// Answers that wait for an HTTP client: above this no further request of its connection is looked at.
pub const HTTP_OUTPUT_BYTES_PAUSE: usize = 1 << 20;

/// Reason of a close frame (RFC 6455 5.5: 125 bytes less the code).
pub const CLOSE_REASON_BYTES_MAX: usize = 123;

/// An answer's body up to here leaves its memory to the next one.
pub const BODY_SCRATCH_BYTES_MAX: usize = 64 << 10;

/// Commands of one `batch` and channels of one `broadcast` that are in flight at once.
pub const API_PARALLEL_MAX: usize = 1024;

/// Idempotency keys that one core remembers; the oldest is forgotten when there are more.
pub const IDEMPOTENCY_KEYS_MAX: usize = 100_000;

/// How long an idempotency key counts (Centrifugo: 5 minutes).
pub const IDEMPOTENCY_SECONDS: u64 = 300;

/// Channels that a search looks at before the core looks at its sockets again: about 0.2 ms.
pub const CHANNELS_PER_SLICE: usize = 2048;

/// Sessions that an act of the server API touches before the core looks at its sockets again.
pub const ACTS_PER_SLICE: usize = 128;

/// Publications that a page of catching up goes through.
pub const CATCH_UP_PUBLICATIONS: usize = 512;

/// Bytes that it brings, and never more than half of what may wait for a client, unless one publication has more.
pub const CATCH_UP_BYTES: usize = 128 << 10;

/// Channels whose time is over that are cleared before the core looks at its sockets again.
pub const EXPIRED_CHANNELS_PER_TURN: usize = 512;

/// Recovered lists that one core keeps for further clients, one of a channel; the oldest is forgotten when there are more.
pub const RECOVERED_LISTS_MAX: usize = 1024;

/// Bytes of those lists. Each form in which one is encoded (JSON, Protobuf, with deltas or without) takes about as much again, and
/// compressed up to eight times less than that.
pub const RECOVERED_BYTES_MAX: usize = 16 << 20;

/// How long such a list is kept: clients that were cut together are back by then.
pub const RECOVERED_LIST_MS: u64 = 10_000;

/// Channels whose position is asked for before the core looks at its sockets again.
pub const POSITION_CHECKS_PER_TURN: usize = 512;

/// How long a question to all cores waits for the slowest; then the answer is error 100.
pub const GATHER_TIMEOUT_MS: u64 = 10_000;

/// How long a fetched key is kept without being used (Centrifugo: an hour).
pub const JWKS_TTL_MS: u64 = 3_600_000;

/// Fetched keys that one core keeps; the longest unused go when there are more.
pub const JWKS_KEYS_MAX: usize = 1024;

/// Bytes of a key set; more is no key set.
pub const JWKS_BYTES_MAX: usize = 1 << 20;

/// Addresses of key sets that are known at once; when all are in use, a further one is answered with error 100.
pub const JWKS_URLS_MAX: usize = 64;

/// Between the end of a fetch and the next one of the same address: a flood of unknown key ids costs no more. Questions
/// wait for that time, and one fetch answers all of them.
pub const JWKS_FETCH_INTERVAL_MS: u64 = 500;

/// Time for one attempt to get a key set (Centrifugo: 1 s).
pub const JWKS_ATTEMPT_MS: u64 = 1_000;

/// Attempts per fetch.
pub const JWKS_ATTEMPTS: usize = 2;

/// Questions to the side thread without an answer; a further one is answered with error 100 (`Busy`).
pub const OUTSIDE_ASKS_MAX: usize = 16_384;

/// Threads for what would block the side thread: signatures that take long, look-ups of names.
pub const OUTSIDE_THREADS_MAX: usize = 4;

/// Room that a core keeps for the next compressed or inflated message; what a larger one took is given back.
pub const DEFLATE_BYTES_KEPT: usize = 64 << 10;

/// Sockets taken from the backlog by the ring before other work is looked at cannot be bounded (multishot accept),
/// only the backlog can.
pub const LISTEN_BACKLOG: i32 = 4096;

/// Descriptors kept free of connections: files, eventfds, rings, a spare for telling a client that the server is full.
pub const DESCRIPTORS_RESERVED: usize = 64;

/// While memory is scarce: between two looks of an idle core, and between two rounds of cutting the slowest.
pub const OVERLOAD_LOOK_MS: u64 = 100;

/// A core looks at its memory when a part of its budget has come or gone that is so much smaller.
pub const OVERLOAD_STRIDES: usize = 256;

/// Use has to be below a step of the overload ladder for so long before that step ends.
pub const OVERLOAD_CALM_MS: u64 = 1_000;

/// How long a connection that has published is not read while memory is scarce.
pub const OVERLOAD_REST_MS: u64 = 100;

/// The memory of a connection that does nothing, with its session and one subscription (`bench/README.md`).
pub const CONNECTION_BYTES: usize = 1_400;

/// What a kept publication takes beside its payload (`channel/history.rs`).
pub const PUBLICATION_BYTES: usize = 72;

/// An entry of presence: its member in a table that is two thirds full, its user in another (`channel/presence.rs`).
pub const PRESENCE_BYTES: usize = 240;

/// The least budget of one core: its receive buffers and some work.
pub const MEMORY_BYTES_PER_CORE_MIN: usize = 16 << 20;

/// Locked memory that one core's rings need; glommio fails only at join when it is missing.
pub const MEMLOCK_BYTES_PER_CORE: u64 = 512 << 10;

/// GRPC calls of one connection that are in flight at once; the peer is told, further streams are refused.
pub const HTTP2_STREAMS_MAX: u32 = 250;

/// Decoded fields of one HTTP/2 request; more is answered with 431, much more ends the connection.
pub const HTTP2_HEAD_BYTES_MAX: u32 = 16 << 10;

/// Streams of one connection that the peer reset before they were looked at; then it is told to be calm and is cut.
pub const HTTP2_RESETS_UNSEEN_MAX: usize = 20;

/// Calls that the peer cancelled while they were carried out, less those that were answered: a peer that only makes
/// work is told to be calm and is cut.
pub const HTTP2_CANCELS_MAX: u32 = 500;

/// Streams of one connection that the server reset because of the peer's errors; then the same.
pub const HTTP2_ERRORS_MAX: usize = 1024;

/// Body bytes that may be under way on one HTTP/2 stream before the server asks for more.
pub const HTTP2_STREAM_WINDOW_BYTES: u32 = 256 << 10;

/// The same for all streams of a connection together.
pub const HTTP2_WINDOW_BYTES: u32 = 1 << 20;

/// Bytes of one stream's answers that wait for the peer's window before its next request is read (reflection).
pub const HTTP2_STREAM_BUFFER_BYTES: usize = 64 << 10;

/// Output of an HTTP/2 connection that nobody took; above it the connection makes no more and stops reading.
pub const HTTP2_OUTPUT_BYTES_MAX: usize = 256 << 10;

/// Time for the preface of an HTTP/2 connection; then it is closed.
pub const HTTP2_PREFACE_TIMEOUT_MS: u64 = 10_000;

/// Silence of an HTTP/2 peer after which it is pinged.
pub const HTTP2_SILENCE_MS: u64 = 60_000;

/// Time for any sign of life after the ping; then the connection is closed.
pub const HTTP2_PING_TIMEOUT_MS: u64 = 20_000;

/// One GRPC message when the option does not say otherwise (as GRPC's libraries have it).
pub const GRPC_MESSAGE_BYTES: usize = 4 << 20;

/// One request to health or reflection, which ask for no key.
pub const GRPC_OPEN_MESSAGE_BYTES_MAX: usize = 16 << 10;

const _: () = {
    assert!(RECEIVE_BUFFERS.is_power_of_two(), "the buffer ring masks its index");
    assert!(CORES_MAX <= 64, "interest is one word per rendition");
    assert!(WRITES_PER_SLICE <= 128, "nothing waits for more than one slice");
    assert!(INPUT_BYTES_PAUSE >= RECEIVE_BUFFER_BYTES, "one buffer always fits");
    assert!(HTTP2_STREAM_WINDOW_BYTES <= HTTP2_WINDOW_BYTES, "one stream alone can use its window");
    assert!(MESH_QUEUE_MESSAGES >= INBOX_PER_TURN, "a turn can empty what a turn may take");
};
