//! What a recovering client has missed (client-protocol 4.4), encoded once for all who were away together.
//!
//! A recovered list always ends with the newest publication, so the lists of a channel are ends of one [`Range`]. It is
//! encoded as a whole in each form when the first client needs that form, on whichever core; a client's list is the bytes
//! from its first publication on. With deltas the first publication of a list is whole, which the middle of a range is
//! not: that one is encoded for the client alone.
//!
//! Not here: which publications a client gets (`channel::ranges`), where the list stands in a reply (`told`).

use super::command::Protocol;
use super::{delta, payload};
use crate::proto::client::Publication;
use crate::proto::json::{self, NotJson};
use bytes::Bytes;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use std::sync::{Arc, OnceLock};

/// The field of the list in a result (client.proto).
const FIELD: u32 = 7;

/// Publications of one channel with what is made of them.
#[derive(Default, Debug)]
pub struct Range {
    publications: Vec<Publication>,
    /// By encoding, without deltas and with. A core that needs a form while another one makes it waits for that.
    forms: [OnceLock<Form>; 4],
}

/// The publications one after another, ready for a reply.
#[derive(Default, Debug)]
struct Form {
    bytes: Vec<u8>,
    /// Where each publication begins.
    starts: Vec<usize>,
    /// Publications before this place are followed by one that is no JSON: no list with it can be told.
    good_from: usize,
    deflated: [Deflated; DEFLATED_PLACES],
}

/// Ends of a form that are kept compressed: from so many of its first publications on. Clients that were cut together
/// have missed the same, give or take what was on its way.
const DEFLATED_PLACES: usize = 8;

/// Shorter lists are compressed with their reply.
const DEFLATED_BYTES_MIN: usize = 256;

/// A part of a form, compressed by whoever needs that first; `None` in it: it cannot be.
pub type Deflated = OnceLock<Option<Box<[u8]>>>;

/// A part of a reply that others get too.
pub struct Splice<'a> {
    /// Where it begins in the reply.
    pub start: usize,
    /// Its bytes there.
    pub length: usize,
    /// Compressed.
    pub deflated: &'a Deflated,
}

/// Whether a form was there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Work {
    /// It was made.
    Encoded,
    /// It had been made for somebody else.
    Shared,
}

impl Range {
    /// Of publications in their order.
    pub fn new(publications: Vec<Publication>) -> Range {
        Range { publications, ..Range::default() }
    }

    /// The offset of the first publication; `None` when there is none.
    pub fn first(&self) -> Option<u64> {
        self.publications.first().map(|publication| publication.offset)
    }

    /// Bytes of memory without the encoded forms.
    pub fn bytes(&self) -> usize {
        self.publications.iter().map(|publication| size_of::<Publication>() + publication.data.len()).sum()
    }

    fn form(&self, protocol: Protocol, is_delta: bool) -> (&Form, Work) {
        let mut work = Work::Shared;
        let place = usize::from(protocol == Protocol::Protobuf) * 2 + usize::from(is_delta);
        let form = self.forms[place].get_or_init(|| {
            work = Work::Encoded;
            Form::new(protocol, is_delta, &self.publications)
        });
        (form, work)
    }
}

impl Form {
    fn new(protocol: Protocol, is_delta: bool, publications: &[Publication]) -> Form {
        let mut form = Form::default();
        let mut base = None::<&Bytes>;
        for (place, publication) in publications.iter().enumerate() {
            form.starts.push(form.bytes.len());
            let patch = base.filter(|_| is_delta).and_then(|base| delta::patch(base, &publication.data));
            match append(protocol, is_delta, publication, patch.as_deref(), &mut form.bytes) {
                Ok(()) => base = Some(&publication.data),
                Err(NotJson) => (base, form.good_from) = (None, place + 1),
            }
        }
        form
    }

    /// From this publication on.
    fn from(&self, place: usize) -> &[u8] {
        &self.bytes[self.starts.get(place).copied().unwrap_or(self.bytes.len())..]
    }
}

/// Appends one publication as a part of a list, in JSON with a comma behind it.
fn append(
    protocol: Protocol,
    is_delta: bool,
    publication: &Publication,
    patch: Option<&[u8]>,
    out: &mut Vec<u8>,
) -> Result<(), NotJson> {
    let shaped = if is_delta {
        if protocol == Protocol::Json && !payload::is_json(&publication.data, &mut Vec::new()) {
            return Err(NotJson);
        }
        let mut publication = publication.clone();
        delta::shape(protocol, &mut publication, patch);
        Some(publication)
    } else {
        None
    };
    let publication = shaped.as_ref().unwrap_or(publication);
    if protocol == Protocol::Json {
        let start = out.len();
        json::encode_line(publication, out).inspect_err(|_| out.truncate(start))?;
        out.push(b',');
        return Ok(());
    }
    encode_key(FIELD, WireType::LengthDelimited, out);
    encode_varint(publication.encoded_len() as u64, out);
    // A Vec grows as needed, so it cannot fail.
    _ = publication.encode(out);
    Ok(())
}

/// The list of one client.
#[derive(Clone, Default, Debug)]
pub struct Missed {
    range: Option<Arc<Range>>,
    /// Publications of the range that the client has.
    skip: usize,
}

/// A list as it stands in a reply: in JSON without its brackets.
#[derive(Default)]
pub struct Pieces<'a> {
    own: Vec<u8>,
    shared: &'a [u8],
}

impl Missed {
    /// All publications of a range but the first `skip`.
    pub fn new(range: Arc<Range>, skip: usize) -> Missed {
        Missed { range: Some(range), skip }
    }

    /// What the client gets.
    pub fn publications(&self) -> &[Publication] {
        self.range.as_ref().and_then(|range| range.publications.get(self.skip..)).unwrap_or_default()
    }

    /// True when it gets nothing.
    pub fn is_empty(&self) -> bool {
        self.publications().is_empty()
    }

    /// Makes the form that the client needs, unless it is there; `None`: it needs none.
    pub fn prepare(&self, protocol: Protocol, is_delta: bool) -> Option<Work> {
        let range = self.range.as_ref().filter(|_| !self.is_empty())?;
        Some(range.form(protocol, is_delta).1)
    }

    /// The list, encoded.
    ///
    /// # Errors
    /// It holds octets that a JSON client cannot be told.
    pub fn pieces(&self, protocol: Protocol, is_delta: bool) -> Result<Pieces<'_>, NotJson> {
        let Some(range) = self.range.as_ref().filter(|_| !self.is_empty()) else { return Ok(Pieces::default()) };
        let (form, _) = range.form(protocol, is_delta);
        if self.skip < form.good_from {
            return Err(NotJson);
        }
        let (mut own, place) = (Vec::new(), self.place(form, is_delta));
        if place > self.skip {
            append(protocol, is_delta, &range.publications[self.skip], None, &mut own)?;
        }
        let shared = form.from(place);
        if protocol == Protocol::Json && shared.is_empty() {
            // Its comma.
            own.pop();
        }
        Ok(Pieces { own, shared: shared.strip_suffix(b",").filter(|_| protocol == Protocol::Json).unwrap_or(shared) })
    }

    /// Which publication the client's part of the form begins with.
    fn place(&self, form: &Form, is_delta: bool) -> usize {
        self.skip + usize::from(is_delta && self.skip > form.good_from)
    }

    /// Where that part is kept compressed, if it is worth it and begins where others begin.
    pub fn deflated(&self, protocol: Protocol, is_delta: bool) -> Option<&Deflated> {
        let range = self.range.as_ref().filter(|_| !self.is_empty())?;
        let (form, _) = range.form(protocol, is_delta);
        let place = self.place(form, is_delta);
        form.deflated.get(place).filter(|_| form.from(place).len() >= DEFLATED_BYTES_MIN)
    }
}

impl Pieces<'_> {
    /// Bytes of the list.
    pub fn len(&self) -> usize {
        self.own.len() + self.shared.len()
    }

    /// True when nothing was missed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the list. Says where the part begins that others get too, and how long it is.
    pub fn put(&self, out: &mut Vec<u8>) -> (usize, usize) {
        out.extend_from_slice(&self.own);
        out.extend_from_slice(self.shared);
        (out.len() - self.shared.len(), self.shared.len())
    }
}
