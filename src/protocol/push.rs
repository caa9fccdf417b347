//! The push of a publication, encoded by hand: it is the one message that is made for many. Equal to what the general
//! encoders make of it (tested).
//!
//! Who calls this for JSON has made sure that `data` is JSON (`payload::is_json`).

use super::command::Protocol;
use crate::proto::client::Publication;
use crate::proto::json;
use crate::proto::json_write::{one_line, string};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

/// Appends `{"push":{"channel":…,"pub":…}}`, or the same as a message behind its length.
pub fn encode_publication(protocol: Protocol, channel: &str, publication: &Publication, out: &mut Vec<u8>) {
    match protocol {
        Protocol::Json => json_line(channel, publication, out),
        Protocol::Protobuf => delimited(channel, publication, out),
    }
}

fn json_line(channel: &str, publication: &Publication, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"push\":{\"channel\":");
    string(channel, out);
    out.extend_from_slice(b",\"pub\":");
    if is_plain(publication) {
        out.extend_from_slice(b"{\"data\":");
        one_line(&publication.data, out);
        if publication.offset > 0 {
            out.extend_from_slice(b",\"offset\":");
            out.extend_from_slice(itoa::Buffer::new().format(publication.offset).as_bytes());
        }
        out.push(b'}');
    } else {
        // Cannot fail: all raw parts are JSON.
        _ = json::encode_line(publication, out);
    }
    out.extend_from_slice(b"}}");
}

/// A `Reply` (its length ahead) with a `Push` (field 4) with the channel (2) and the publication (4). Nothing of them is copied
/// before; prost would count a reference to the data, for which it takes memory.
fn delimited(channel: &str, publication: &Publication, out: &mut Vec<u8>) {
    let size = |bytes: usize| 1 + encoded_len_varint(bytes as u64) + bytes;
    let length = publication.encoded_len();
    let push = size(channel.len()) + size(length);
    out.reserve(size(size(push)));
    encode_varint(size(push) as u64, out);
    head(4, push, out);
    head(2, channel.len(), out);
    out.extend_from_slice(channel.as_bytes());
    head(4, length, out);
    if is_plain(publication) {
        head(4, publication.data.len(), out);
        out.extend_from_slice(&publication.data);
        if publication.offset > 0 {
            prost::encoding::uint64::encode(6, &publication.offset, out);
        }
    } else {
        // Cannot fail: a Vec grows.
        _ = publication.encode(out);
    }
}

/// Of a field of so many bytes.
fn head(tag: u32, length: usize, out: &mut Vec<u8>) {
    encode_key(tag, WireType::LengthDelimited, out);
    encode_varint(length as u64, out);
}

/// Nearly all publications are data, perhaps with an offset.
fn is_plain(publication: &Publication) -> bool {
    let Publication { data, info, tags, epoch, version, delta, .. } = publication;
    !data.is_empty() && info.is_none() && tags.is_empty() && epoch.is_empty() && *version == 0 && !*delta
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::client::{ClientInfo, Push, Reply};
    use crate::protocol::reply::encode_reply;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_hand_made_push_is_the_general_one(
            channel in "[a-z:#<\"é]{1,20}",
            data in prop::sample::select(vec!["1", "{ \"a\" :\n[1,2] }", "null", "\"\\u2028<\"", "{}"]),
            with_info: bool,
            tag in prop::option::of("[a-z<]{0,5}"),
            offset in 0u64..3,
            epoch in prop::sample::select(vec!["", "e"]),
            version in 0u64..2,
            delta: bool,
        ) {
            let publication = Publication {
                data: data.into(),
                info: with_info.then(|| ClientInfo { user: "42".into(), ..ClientInfo::default() }),
                tags: tag.into_iter().map(|tag| (tag, "x".to_string())).collect(),
                offset,
                epoch: epoch.into(),
                version,
                delta,
                ..Publication::default()
            };
            let push = Push { channel: channel.clone(), r#pub: Some(publication.clone()), ..Push::default() };
            let general = Reply { push: Some(push), ..Reply::default() };
            for protocol in [Protocol::Json, Protocol::Protobuf] {
                let (mut by_hand, mut expected) = (Vec::new(), Vec::new());
                encode_publication(protocol, &channel, &publication, &mut by_hand);
                encode_reply(protocol, &general, &mut expected).expect("JSON");
                prop_assert_eq!(by_hand, expected);
            }
        }
    }
}
