//! Bytes to frames and back, by standard, without I/O: HTTP/1.1, the WebSocket handshake, WebSocket frames and
//! their compression, GRPC messages.

pub mod deflate;
mod deflate_offers;
pub mod grpc;
pub mod handshake;
mod handshake_origins;
pub mod http1;
mod http1_chunked;
mod http1_extension;
mod http1_head;
mod http1_response;
mod http1_target;
pub mod websocket;
