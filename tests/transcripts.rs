//! Dialogues of the client protocol (`tests/transcripts/*.txt`), played on whole cores in virtual time and on the real
//! binary, in JSON and in Protobuf, with one core and with two.
//!
//! A file holds dialogues. `# name` begins one; every dialogue is a connection of its own, further connections are
//! numbered (`2→`, `2←`). Lines:
//!
//! ```text
//! → {"id":1,"connect":{}}        the client sends one message; ⏎ stands for a newline in it
//! ← {"id":1,"connect":{…}}       the server sends this message; "<CID>" and its like match and are remembered
//! ⇠ {"push":…}                  the same, byte for byte
//! ⇠ 04 08 02 32 00               the same in Protobuf with its length, in hexadecimal; __ any byte, … any rest
//! ⇢ 0c 08 02 …                   the client sends these bytes
//! ⊗ 3501 bad request             the server closes with this code and reason
//! ∅                              the server has sent nothing (virtual time only) or TCP has ended without a close frame
//! ⇣ ⇡                            the server's WebSocket ping, the client's WebSocket pong
//! ✂                              the client ends its connection
//! ⏸ ▶                            the client reads no more, or reads on (virtual time only)
//! stop                           the server is told to stop (virtual time only)
//! advance 25s                    time passes (virtual time only: such a dialogue is not played on the real binary)
//! api publish {…} ⇒ {…}          a call of the server API and its answer
//! only json | only protobuf | only pure
//!                                where the dialogue makes sense
//! ⚙ {"client":{…}}               options of this dialogue, on top of the common configuration
//! query ?format=protobuf         of the next connection
//! field Origin: https://a        of the next connection's request
//! speak protobuf | speak json    the next connection does, whatever the play does
//! ⊘ 403                          the request of the connection was answered with this status
//! ```
//!
//! In a sent line `<jwt {"sub":"42","exp":"now+60"}>` stands for a token under the key `secret`, `"<now+60>"` for a time
//! in Unix seconds and `§`, in any line, for a number that no other play has: channels with history and users that the
//! API is told about are named with it, since one real server plays all dialogues with the same options. `«x 100»` is a
//! hundred times `x`.

mod common;
#[path = "transcripts/player.rs"]
mod player;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use player::{Dialogue, Encoding, Live, Player, PureLink};

const CONFIG: &str = include_str!("transcripts/config.json");

fn dialogues() -> Vec<Dialogue> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut files: Vec<_> = std::fs::read_dir(folder).expect("the folder").map(|e| e.expect("a file").path()).collect();
    files.sort();
    let texts = files.iter().filter(|path| path.extension().is_some_and(|e| e == "txt"));
    let dialogues: Vec<Dialogue> = texts.flat_map(|path| player::parse(path)).collect();
    assert!(dialogues.len() > 50, "the dialogues are found");
    dialogues
}

/// Plays all, also behind one that fails.
fn play_all(dialogues: &[Dialogue], play: impl Fn(&Dialogue, Encoding)) {
    let plays = dialogues.iter().flat_map(|dialogue| dialogue.encodings().into_iter().map(move |e| (dialogue, e)));
    let fails = |(dialogue, encoding): &(&Dialogue, Encoding)| {
        catch_unwind(AssertUnwindSafe(|| play(dialogue, *encoding))).is_err()
    };
    let failed: Vec<_> = plays.filter(fails).map(|(dialogue, encoding)| (dialogue.name(), encoding)).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

fn play_pure(cores: usize) {
    play_all(&dialogues(), |dialogue, encoding| {
        let settings = player::settings(&dialogue.config(CONFIG));
        Player::new(PureLink::new(&settings, cores), encoding).play(dialogue);
    });
}

fn play_live(cores: usize) {
    let mut by_config: BTreeMap<String, Vec<Dialogue>> = BTreeMap::new();
    for dialogue in dialogues().into_iter().filter(|dialogue| !dialogue.is_pure()) {
        by_config.entry(dialogue.config(CONFIG)).or_default().push(dialogue);
    }
    for (config, dialogues) in by_config {
        let server = common::server::Server::start(&config, cores);
        play_all(&dialogues, |dialogue, encoding| Player::new(Live::new(&server), encoding).play(dialogue));
    }
}

#[test]
fn dialogues_on_one_core_in_virtual_time() {
    play_pure(1);
}

#[test]
fn dialogues_on_two_cores_in_virtual_time() {
    play_pure(2);
}

#[test]
fn dialogues_on_the_real_binary_with_one_core() {
    play_live(1);
}

#[test]
fn dialogues_on_the_real_binary_with_two_cores() {
    play_live(2);
}

#[test]
fn both_encodings_are_played() {
    let both = dialogues().iter().filter(|d| d.encodings().contains(&Encoding::Protobuf)).count();
    assert!(both > 30, "{both}");
}
