//! Messages of GRPC bodies. Where a body is cut changes nothing; no message is longer than its limit, inflated or not; a
//! message that is written is read again.

use super::script::{Script, pieces};
use bytes::Bytes;
use corecast::wire::grpc::{Reader, Unreadable, encode, percent_encode, timeout};

pub fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let (cut, is_gzip, bytes_max) = (script.byte(), script.flag(), script.choose(&[0, 5, 300, 1 << 14]));
    let body = script.rest();
    let whole = messages(&[body], bytes_max, is_gzip);
    assert_eq!(messages(&pieces(body, cut), bytes_max, is_gzip), whole, "cut by {cut}");
    let again: Vec<u8> = whole.0.iter().flat_map(|message| encode(message, is_gzip)).collect();
    let (read, refused) = messages(&[&again], bytes_max.max(100), is_gzip);
    let is_stopped = matches!(refused, Some(Unreadable::TooLong { .. }));
    assert!(read == whole.0 || is_stopped, "only gzip makes a message longer");
    _ = timeout(body);
    let text = String::from_utf8_lossy(body);
    assert!(percent_encode(&text).bytes().all(|byte| (b' '..=b'~').contains(&byte)));
}

fn messages(pieces: &[&[u8]], bytes_max: usize, is_gzip: bool) -> (Vec<Bytes>, Option<Unreadable>) {
    let (mut reader, mut all) = (Reader::new(bytes_max, is_gzip), Vec::new());
    for piece in pieces {
        reader.push(Bytes::copy_from_slice(piece));
        loop {
            match reader.poll() {
                Ok(Some(message)) => {
                    assert!(message.len() <= bytes_max);
                    all.push(message);
                }
                Ok(None) => break,
                Err(unreadable) => return (all, Some(unreadable)),
            }
        }
    }
    (all, None)
}
