//! Where the input is cut never changes which requests are understood.
#![no_main]

use corecast::wire::http1::{Decoder, Limits, Step};
use libfuzzer_sys::fuzz_target;

fn requests(stream: &[u8], cut: usize) -> Vec<(String, Vec<u8>)> {
    let (mut decoder, mut input, mut seen) = (Decoder::new(), Vec::new(), Vec::new());
    for piece in [&stream[..cut], &stream[cut..]] {
        input.extend_from_slice(piece);
        loop {
            let (used, is_done) = match decoder.decode(&input, &Limits::default(), &mut |_| 1 << 16) {
                Ok(Step::Request(request)) => {
                    seen.push((request.head.target.to_string(), request.body.to_vec()));
                    (request.consumed, false)
                }
                Ok(Step::More { consumed, .. }) => (consumed, true),
                Err(_) => return seen,
            };
            input.drain(..used);
            if is_done {
                break;
            }
        }
    }
    seen
}

fuzz_target!(|stream: &[u8]| {
    let cut = stream.first().map_or(0, |byte| usize::from(*byte).min(stream.len()));
    assert_eq!(requests(stream, cut), requests(stream, 0));
});
