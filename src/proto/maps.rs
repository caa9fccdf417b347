//! Maps in their Protobuf form as Go writes them: every entry with its key and its value, zero or not. prost leaves out
//! what is zero, and a client of protobufjs (npm `centrifuge`) then finds nothing where an empty message is meant: it fails
//! at a subscription of the server that has no position.
//!
//! Generated messages with maps take this module for prost (`prost_path`).

pub use prost::*;

/// prost's, but for maps.
pub mod encoding {
    pub use prost::encoding::*;

    /// See above.
    pub mod btree_map {
        use prost::bytes::BufMut;
        pub use prost::encoding::btree_map::merge;
        use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};
        use std::collections::BTreeMap;

        const KEY: u32 = 1;
        const VALUE: u32 = 2;

        /// Appends all entries of a field.
        pub fn encode<K, V, B: BufMut>(
            encode_map_key: impl Fn(u32, &K, &mut B),
            length_of_key: impl Fn(u32, &K) -> usize,
            encode_value: impl Fn(u32, &V, &mut B),
            length_of_value: impl Fn(u32, &V) -> usize,
            tag: u32,
            map: &BTreeMap<K, V>,
            out: &mut B,
        ) {
            for (key, value) in map {
                encode_key(tag, WireType::LengthDelimited, out);
                encode_varint((length_of_key(KEY, key) + length_of_value(VALUE, value)) as u64, out);
                encode_map_key(KEY, key, out);
                encode_value(VALUE, value, out);
            }
        }

        /// How many bytes [`encode`] appends.
        pub fn encoded_len<K, V>(
            length_of_key: impl Fn(u32, &K) -> usize,
            length_of_value: impl Fn(u32, &V) -> usize,
            tag: u32,
            map: &BTreeMap<K, V>,
        ) -> usize {
            let of_entry = |(key, value)| {
                let length = length_of_key(KEY, key) + length_of_value(VALUE, value);
                key_len(tag) + encoded_len_varint(length as u64) + length
            };
            map.iter().map(of_entry).sum()
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::proto::client::{ConnectResult, Publication, SubscribeResult};
    use prost::Message;

    #[test]
    fn empty_messages_and_texts_are_there_in_maps() {
        let subs = [("a".to_owned(), SubscribeResult::default())].into();
        let result = ConnectResult { subs, ..ConnectResult::default() };
        let encoded = result.encode_to_vec();
        assert_eq!(encoded, b"\x32\x05\x0a\x01a\x12\x00");
        assert_eq!(ConnectResult::decode(&*encoded).expect("good"), result);

        let tags = [(String::new(), String::new()), ("k".to_owned(), "v".to_owned())].into();
        let publication = Publication { tags, ..Publication::default() };
        assert_eq!(publication.encode_to_vec(), b"\x3a\x04\x0a\x00\x12\x00\x3a\x06\x0a\x01k\x12\x01v");
        assert_eq!(publication.encoded_len(), publication.encode_to_vec().len());
    }
}
