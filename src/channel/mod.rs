//! What a channel is: its name, its rules, and what its owner core remembers of it.

pub mod dedup;
pub mod name;
pub mod rules;
pub mod table;

pub use rules::Rules;
