//! An input read as a script: each call takes what it needs from the front, and what is missing is zero. So every input
//! means something, and cutting one short makes a smaller case of the same kind.

/// What is left of an input.
pub struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    pub fn new(data: &'a [u8]) -> Script<'a> {
        Script(data)
    }

    pub fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound
    }

    pub fn choose<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// Small numbers mostly, and the ends of what fits.
    pub fn number(&mut self) -> u64 {
        match self.byte() {
            small @ 0..200 => u64::from(small),
            200..220 => u64::from(u32::MAX) - u64::from(self.byte()),
            220..235 => u64::MAX - u64::from(self.byte()),
            _ => i64::MAX as u64 - u64::from(self.byte()),
        }
    }

    /// So many bytes, or as many as there are.
    pub fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// At most `max` bytes, as text.
    pub fn text(&mut self, max: usize) -> String {
        let count = self.below(max + 1);
        String::from_utf8_lossy(self.bytes(count)).into_owned()
    }

    /// Everything up to a byte, which is dropped, or to the end.
    pub fn until(&mut self, end: u8) -> &'a [u8] {
        let at = self.0.iter().position(|byte| *byte == end).unwrap_or(self.0.len());
        let taken = self.bytes(at);
        self.bytes(1);
        taken
    }

    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}

/// Cuts a stream into pieces: 0 leaves it whole, 1 cuts at every byte, others somewhere.
pub fn pieces(stream: &[u8], seed: u8) -> Vec<&[u8]> {
    match seed {
        0 => return vec![stream],
        1 => return stream.chunks(1).collect(),
        _ => {}
    }
    let (mut rest, mut state, mut cut) = (stream, u32::from(seed), Vec::new());
    while !rest.is_empty() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (piece, after) = rest.split_at((1 + (state >> 16) as usize % usize::from(seed)).min(rest.len()));
        cut.push(piece);
        rest = after;
    }
    cut
}
