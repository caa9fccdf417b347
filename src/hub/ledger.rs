//! How many bytes the outboxes of a core hold. A block that waits for many connections is counted once, as it is there
//! once.

use crate::protocol::frame::Block;
use hashbrown::HashMap;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// The blocks that somebody's outbox holds.
#[derive(Default, Debug)]
pub struct Ledger {
    /// By address: how often.
    blocks: RefCell<HashMap<usize, u32>>,
    bytes: Cell<usize>,
}

impl Ledger {
    /// Bytes of all of them.
    pub fn bytes(&self) -> usize {
        self.bytes.get()
    }

    /// True when nothing is held. For tests and the simulation.
    pub fn is_empty(&self) -> bool {
        self.blocks.borrow().is_empty() && self.bytes.get() == 0
    }
}

/// That a block is held; counted as long as it is there.
#[derive(Debug)]
pub struct Owed {
    address: usize,
    length: usize,
    ledger: Rc<Ledger>,
}

impl Owed {
    /// Counts the block in. Whoever has this keeps the block.
    pub fn new(block: &Block, ledger: &Rc<Ledger>) -> Owed {
        let (address, length) = (block.as_ptr() as usize, block.len());
        let mut blocks = ledger.blocks.borrow_mut();
        let count = blocks.entry(address).or_default();
        if *count == 0 {
            ledger.bytes.set(ledger.bytes.get() + length);
        }
        *count += 1;
        drop(blocks);
        Owed { address, length, ledger: ledger.clone() }
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        let mut blocks = self.ledger.blocks.borrow_mut();
        let Some(count) = blocks.get_mut(&self.address) else { return };
        *count -= 1;
        if *count == 0 {
            blocks.remove(&self.address);
            self.ledger.bytes.set(self.ledger.bytes.get() - self.length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_counts_once_however_many_wait_for_it() {
        let (ledger, block) = (Rc::new(Ledger::default()), Block::from(vec![0; 100]));
        let two = [Owed::new(&block, &ledger), Owed::new(&block, &ledger)];
        let another = Block::from(vec![0; 10]);
        let other = Owed::new(&another, &ledger);
        assert_eq!(ledger.bytes(), 110);
        drop(two);
        assert_eq!(ledger.bytes(), 10);
        drop(other);
        assert!(ledger.is_empty());
    }
}
