use super::*;
use crate::counters::Counters;
use crate::proto::client::{ClientInfo, Publication};
use crate::protocol::frame::Rendition;
use crate::protocol::framer::Framer;
use crate::protocol::missed::Range;
use crate::protocol::{delta, payload};
use crate::wire::deflate::{Deflater, Inflater};
use proptest::prelude::*;
use std::sync::Arc;

const BOTH: [Protocol; 2] = [Protocol::Json, Protocol::Protobuf];

/// A list as it would be encoded for one client alone.
fn shaped(protocol: Protocol, publications: &[Publication]) -> Vec<Publication> {
    let (mut list, mut base) = (publications.to_vec(), None::<bytes::Bytes>);
    for publication in &mut list {
        let data = publication.data.clone();
        if protocol == Protocol::Json && !payload::is_json(&data, &mut Vec::new()) {
            break;
        }
        let patch = base.and_then(|base| delta::patch(&base, &data));
        delta::shape(protocol, publication, patch.as_deref());
        base = Some(data);
    }
    list
}

fn plainly(protocol: Protocol, reply: &Reply) -> Result<Vec<u8>, NotJson> {
    let mut out = Vec::new();
    encode_reply(protocol, reply, &mut out).map(|()| out)
}

fn spliced(protocol: Protocol, told: &Told) -> Result<Vec<u8>, NotJson> {
    let mut out = Vec::new();
    told.encode(protocol, &mut out).map(|()| out)
}

fn framer() -> (Framer, Arc<Counters>) {
    let counters = Arc::new(Counters::default());
    (Framer::new(counters.clone()).with_deflater(Deflater::new(1), 0), counters)
}

/// The answer as a client reads it that asked for compression.
fn inflated(framer: &mut Framer, protocol: Protocol, told: &Told) -> Vec<u8> {
    let payload = spliced(protocol, told).expect("it can be told");
    let rendition = Rendition::websocket(protocol, true);
    let frame = framer.frame_spliced(rendition, &payload, &told.splices(protocol));
    assert_eq!(frame[0], 0xc0 | rendition.opcode() as u8, "compressed");
    let head = match frame[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    let mut out = Vec::new();
    Inflater::default().inflate(rendition.opcode(), &frame[head..], 1 << 20, &mut out).expect("a message");
    assert!(out == payload, "{protocol:?}");
    frame.to_vec()
}

fn publication() -> impl Strategy<Value = Publication> {
    let text = "[a-f0-9äж€😀<]{0,60}"
        .prop_map(|text| format!("{{\"text\": \"{text}\",\n\"n\":1,\"long\":\"0123456789abcdef\"}}"));
    let data = prop_oneof![
        8 => text.prop_map(String::into_bytes),
        1 => Just(b"1".to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..40),
    ];
    (data, prop::option::of("[a-z]{0,4}"), prop::option::of("[a-z<]{0,4}")).prop_map(|(data, user, tag)| Publication {
        data: data.into(),
        info: user.map(|user| ClientInfo { user, ..ClientInfo::default() }),
        tags: tag.into_iter().map(|tag| (tag, "x".to_string())).collect(),
        ..Publication::default()
    })
}

fn publications() -> impl Strategy<Value = Vec<Publication>> {
    (prop::collection::vec(publication(), 0..12), 0u64..3).prop_map(|(mut list, first)| {
        for (publication, offset) in list.iter_mut().zip(first + 1..) {
            publication.offset = offset;
            publication.epoch = if offset == 1 { "epoch".into() } else { String::new() };
        }
        list
    })
}

fn result() -> impl Strategy<Value = SubscribeResult> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let data = prop::sample::select(vec!["", "1", "{ \"a\":\n2}"]);
    let rest = (0u32..3, 0u64..300, prop::sample::select(vec!["", "abc\"<"]), data, any::<bool>());
    (flags, rest).prop_map(|((expires, recoverable, recovered, positioned), (ttl, offset, epoch, data, delta))| {
        SubscribeResult {
            expires,
            ttl,
            recoverable,
            epoch: epoch.into(),
            recovered,
            offset,
            positioned,
            data: data.into(),
            was_recovering: recovered,
            delta,
            ..SubscribeResult::default()
        }
    })
}

/// What one client is told of one subscription, in both ways.
fn subscription(result: &SubscribeResult, range: &Arc<Range>, skip: usize) -> (Recovered, [SubscribeResult; 2]) {
    let missed = Missed::new(range.clone(), skip);
    let plain = BOTH.map(|protocol| {
        let list = missed.publications();
        let publications = if result.delta { shaped(protocol, list) } else { list.to_vec() };
        SubscribeResult { publications, ..result.clone() }
    });
    (Recovered::new(result.clone(), missed), plain)
}

proptest! {
    #[test]
    fn a_spliced_answer_is_the_plain_one_from_every_publication_on(list in publications(), result in result(), id in 0u32..300) {
        let range = Arc::new(Range::new(list.clone()));
        for skip in 0..=list.len() {
            let (recovered, plain) = subscription(&result, &range, skip);
            let told = Told::Subscribed(id, recovered);
            for (protocol, subscribe) in BOTH.into_iter().zip(plain) {
                let expected = plainly(protocol, &Reply { id, subscribe: Some(subscribe), ..Reply::default() });
                prop_assert_eq!(spliced(protocol, &told), expected.clone(), "{:?} from {}", protocol, skip);
                if expected.is_ok() {
                    inflated(&mut framer().0, protocol, &told);
                }
            }
        }
    }

    #[test]
    fn a_spliced_answer_to_connect_is_the_plain_one(
        subs in prop::collection::btree_map("[a-z\"é]{0,6}", (publications(), result(), 0usize..12), 0..4),
        (ttl, ping, pong, time) in (0u32..2, 0u32..30, any::<bool>(), 0i64..2),
        id in 0u32..300,
    ) {
        let connect = ConnectResult {
            client: "c".into(), version: "0".into(), expires: ttl > 0, ttl, ping, pong, time, ..ConnectResult::default()
        };
        let (mut told, mut plain) = (BTreeMap::new(), [BTreeMap::new(), BTreeMap::new()]);
        for (channel, (list, result, skip)) in subs {
            let (recovered, results) = subscription(&result, &Arc::new(Range::new(list)), skip);
            told.insert(channel.clone(), recovered);
            plain.iter_mut().zip(results).for_each(|(plain, result)| _ = plain.insert(channel.clone(), result));
        }
        let told = Told::Connected(id, connect.clone(), told);
        for (protocol, subs) in BOTH.into_iter().zip(plain) {
            let connect = ConnectResult { subs, ..connect.clone() };
            let expected = plainly(protocol, &Reply { id, connect: Some(connect), ..Reply::default() });
            prop_assert_eq!(spliced(protocol, &told), expected.clone(), "{:?}", protocol);
            if expected.is_ok() {
                inflated(&mut framer().0, protocol, &told);
            }
        }
    }
}

#[test]
fn each_form_of_a_range_is_made_once_whoever_needs_how_much_of_it() {
    let list = (1..=50).map(|offset| Publication { data: "{\"n\":1}".into(), offset, ..Publication::default() });
    let range = Arc::new(Range::new(list.collect()));
    for protocol in BOTH {
        for delta in [false, true] {
            let told = |skip| {
                let result = SubscribeResult { delta, ..SubscribeResult::default() };
                Told::Subscribed(1, Recovered::new(result, Missed::new(range.clone(), skip)))
            };
            let work: Vec<Work> = (0..50).flat_map(|skip| told(skip).prepare(protocol).collect::<Vec<_>>()).collect();
            assert_eq!(work[0], Work::Encoded);
            assert!(work.len() == 50 && work[1..].iter().all(|work| *work == Work::Shared));
            assert_eq!(told(50).prepare(protocol).count(), 0, "who has missed nothing needs no form");
        }
    }
}

#[test]
fn a_list_is_compressed_once_for_all_who_have_missed_the_same() {
    let data = |offset| format!("{{\"text\":\"the same words again and again\",\"n\":{offset}}}").into();
    let list = (1..=50).map(|offset| Publication { data: data(offset), offset, ..Publication::default() });
    let range = Arc::new(Range::new(list.collect()));
    for (protocol, delta) in [(Protocol::Json, false), (Protocol::Protobuf, false), (Protocol::Json, true)] {
        let (mut framer, counters) = framer();
        let told = |id, skip| {
            let result = SubscribeResult { delta, epoch: "abcdefgh".into(), ..SubscribeResult::default() };
            Told::Subscribed(id, Recovered::new(result, Missed::new(range.clone(), skip)))
        };
        let frames: Vec<usize> = (1..30).map(|id| inflated(&mut framer, protocol, &told(id, 0)).len()).collect();
        assert_eq!(counters.recovered_lists_deflated.get(), 1, "{protocol:?}");
        let plain = spliced(protocol, &told(1, 0)).expect("it can be told").len();
        assert!(frames.iter().all(|frame| frame * 2 < plain), "{frames:?} of {plain}");
        inflated(&mut framer, protocol, &told(1, 3));
        inflated(&mut framer, protocol, &told(1, 40));
        assert_eq!(counters.recovered_lists_deflated.get(), 2, "who has missed much less has it compressed alone");
        assert_eq!(counters.deflated_messages.get(), 31);
    }
}

#[test]
fn an_empty_payload_cannot_be_told_with_deltas_in_json_as_when_it_is_published() {
    let list = ["{}", "", "1"].map(|data| Publication { data: data.into(), ..Publication::default() });
    let range = Arc::new(Range::new(list.to_vec()));
    let told = |skip| {
        let result = SubscribeResult { delta: true, ..SubscribeResult::default() };
        spliced(Protocol::Json, &Told::Subscribed(1, Recovered::new(result, Missed::new(range.clone(), skip))))
    };
    assert_eq!([told(0), told(1)], [Err(NotJson), Err(NotJson)]);
    assert!(told(2).is_ok(), "what follows it can");
}
