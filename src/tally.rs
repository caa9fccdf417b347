//! Cells by label: one cell for each value of a closed set, so that nobody outside can make the server keep more.
//!
//! A set says which place a key has and which labels a place shows. Numbers that applications may choose share the
//! place `custom`. Not here: what is counted (`counters`), rendering (`metrics`).

use crate::counters::Cell;
use std::borrow::Cow;
use std::marker::PhantomData;

/// Label names with their values.
pub type Labels = Vec<(&'static str, Cow<'static, str>)>;

/// A closed set of label values.
pub trait Set {
    /// What is counted by.
    type Key;
    /// How many values there are.
    const PLACES: usize;
    /// The value's place, below [`Set::PLACES`].
    fn place(key: Self::Key) -> usize;
    /// What a place shows.
    fn labels(place: usize) -> Labels;
}

/// One cell for each of the `N` values of a set.
pub struct Tally<S, const N: usize> {
    cells: [Cell; N],
    set: PhantomData<fn(S)>,
}

impl<S: Set, const N: usize> Default for Tally<S, N> {
    fn default() -> Tally<S, N> {
        const { assert!(N == S::PLACES, "a cell for each value") };
        Tally { cells: std::array::from_fn(|_| Cell::default()), set: PhantomData }
    }
}

impl<S: Set, const N: usize> Tally<S, N> {
    /// Counts one more of this value.
    pub fn add(&self, key: S::Key) {
        self.cells[S::place(key)].add(1);
    }

    /// All cells by place.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }
}

/// An enum whose variants are the values of one label.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $label:literal { $($variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum $name {
            $(#[doc = concat!("`", $text, "`")] $variant,)*
        }

        impl $name {
            /// All of them, in their order.
            pub const ALL: &[$name] = &[$($name::$variant,)*];

            /// As the label shows it.
            pub const fn name(self) -> &'static str {
                match self {
                    $($name::$variant => $text,)*
                }
            }
        }

        impl Set for $name {
            type Key = $name;
            const PLACES: usize = $name::ALL.len();

            fn place(key: $name) -> usize {
                key as usize
            }

            fn labels(place: usize) -> Labels {
                vec![($label, $name::ALL[place].name().into())]
            }
        }
    };
}

words! {
    /// What the node does for its clients and with its broker.
    Action, "action" {
        AddClient = "add_client",
        RemoveClient = "remove_client",
        AddSubscription = "add_subscription",
        RemoveSubscription = "remove_subscription",
        AddPresence = "add_presence",
        RemovePresence = "remove_presence",
        Presence = "presence",
        PresenceStats = "presence_stats",
        History = "history",
        HistoryRemove = "history_remove",
        Survey = "survey",
        BrokerSubscribe = "broker_subscribe",
        BrokerUnsubscribe = "broker_unsubscribe",
    }
}

words! {
    /// What a client asked for.
    ClientMethod, "method" {
        Unknown = "",
        Connect = "connect",
        Subscribe = "subscribe",
        Unsubscribe = "unsubscribe",
        Publish = "publish",
        Presence = "presence",
        PresenceStats = "presence_stats",
        History = "history",
        Rpc = "rpc",
        Send = "send",
        Refresh = "refresh",
        SubRefresh = "sub_refresh",
    }
}

words! {
    /// How a call of the server API came in.
    ApiProtocol, "protocol" {
        Http = "http",
        Grpc = "grpc",
        Consuming = "consuming",
    }
}

/// The place of a number in a list; all others share the place behind the last.
fn place_in(codes: &[u32], code: u32) -> usize {
    codes.iter().position(|known| *known == code).unwrap_or(codes.len())
}

fn shown(code: Option<u32>) -> Cow<'static, str> {
    code.map_or("custom".into(), |code| code.to_string().into())
}

/// Codes of server disconnects: 3000 to 3514; those of applications come first, as `custom`.
pub struct DisconnectCode;

impl DisconnectCode {
    const FIRST: u32 = 3000;
}

impl Set for DisconnectCode {
    type Key = u32;
    const PLACES: usize = 516;

    fn place(code: u32) -> usize {
        let place = code.checked_sub(Self::FIRST - 1).map_or(0, |n| n as usize);
        if place < Self::PLACES { place } else { 0 }
    }

    fn labels(place: usize) -> Labels {
        vec![("code", shown((place > 0).then_some(place as u32 + Self::FIRST - 1)))]
    }
}

/// Codes of server unsubscribes.
pub struct UnsubscribeCode;

impl UnsubscribeCode {
    const KNOWN: &'static [u32] = &[2000, 2500, 2501];
}

impl Set for UnsubscribeCode {
    type Key = u32;
    const PLACES: usize = Self::KNOWN.len() + 1;

    fn place(code: u32) -> usize {
        place_in(Self::KNOWN, code)
    }

    fn labels(place: usize) -> Labels {
        vec![("code", shown(Self::KNOWN.get(place).copied()))]
    }
}

/// Codes of errors of the server API. The list is `ApiError::ALL` with those of features to come.
pub struct ApiErrorCode;

impl ApiErrorCode {
    const KNOWN: &'static [u32] = &[100, 102, 104, 107, 108, 111, 112, 113];
}

impl Set for ApiErrorCode {
    type Key = u32;
    const PLACES: usize = Self::KNOWN.len() + 1;

    fn place(code: u32) -> usize {
        place_in(Self::KNOWN, code)
    }

    fn labels(place: usize) -> Labels {
        vec![("error", shown(Self::KNOWN.get(place).copied()))]
    }
}

/// Error replies to clients, by what was asked and by code: 100 to 112, or `custom`.
pub struct ReplyError;

impl ReplyError {
    const FIRST: u32 = 100;
    const CODES: usize = 14;
}

impl Set for ReplyError {
    type Key = (ClientMethod, u32);
    const PLACES: usize = ClientMethod::PLACES * Self::CODES;

    fn place((method, code): (ClientMethod, u32)) -> usize {
        let custom = Self::CODES - 1;
        let code = code.checked_sub(Self::FIRST).map_or(custom, |n| (n as usize).min(custom));
        method as usize * Self::CODES + code
    }

    fn labels(place: usize) -> Labels {
        let code = place % Self::CODES;
        let code = (code < Self::CODES - 1).then_some(code as u32 + Self::FIRST);
        vec![("method", ClientMethod::ALL[place / Self::CODES].name().into()), ("code", shown(code))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn shows<S: Set>(key: S::Key) -> Vec<String> {
        S::labels(S::place(key)).into_iter().map(|(_, value)| value.into_owned()).collect()
    }

    #[test]
    fn codes_of_applications_share_one_cell() {
        let cells = Tally::<DisconnectCode, { DisconnectCode::PLACES }>::default();
        [3000, 3501, 3501, 4001, 0, 3514].into_iter().for_each(|code| cells.add(code));
        let seen = |code| cells.cells()[DisconnectCode::place(code)].get();
        assert_eq!([4999, 3000, 3501, 3514, 3502].map(seen), [2, 1, 2, 1, 0]);
        assert_eq!(shows::<DisconnectCode>(4001), ["custom"]);
        assert_eq!(shows::<DisconnectCode>(3514), ["3514"]);
        assert_eq!([shows::<UnsubscribeCode>(2501), shows::<UnsubscribeCode>(2777)], [["2501"], ["custom"]]);
        assert_eq!([shows::<ApiErrorCode>(113), shows::<ApiErrorCode>(0)], [["113"], ["custom"]]);
    }

    #[test]
    fn error_replies_are_told_apart_by_method_and_code() {
        assert_eq!(shows::<ReplyError>((ClientMethod::Connect, 109)), ["connect", "109"]);
        assert_eq!(shows::<ReplyError>((ClientMethod::SubRefresh, 400)), ["sub_refresh", "custom"]);
        assert_eq!(shows::<ReplyError>((ClientMethod::Unknown, 3)), ["", "custom"]);
    }

    fn check<S: Set>() {
        let labels: BTreeSet<Labels> = (0..S::PLACES).map(S::labels).collect();
        assert_eq!(labels.len(), S::PLACES, "places share no labels");
    }

    #[test]
    fn every_place_has_labels_of_its_own() {
        check::<Action>();
        check::<ClientMethod>();
        check::<ApiProtocol>();
        check::<DisconnectCode>();
        check::<UnsubscribeCode>();
        check::<ApiErrorCode>();
        check::<ReplyError>();
    }
}
