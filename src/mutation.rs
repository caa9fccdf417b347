//! Deliberate faults, each against an invariant of the simulation, so that it is seen that its checkers would notice
//! (`make mutations`; the outcome is in `docs/mutations.md`).
//!
//! They exist with the feature `mutations` alone, which only that test switches on: everywhere else [`is`] is a constant and
//! nothing is left of the points that ask it. A point is one line of the pure half. Of a core that one thread drives, so
//! the fault is a thing of the thread.

macro_rules! mutations {
    ($($name:ident, $invariant:literal, $what:literal;)*) => {
        /// A fault.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Mutation {
            $(#[doc = $what] $name,)*
        }

        impl Mutation {
            /// All of them, by invariant.
            pub const ALL: &[Mutation] = &[$(Mutation::$name,)*];

            /// The invariant that it breaks.
            pub const fn invariant(self) -> &'static str {
                match self { $(Mutation::$name => $invariant,)* }
            }

            /// What is done wrong.
            pub const fn what(self) -> &'static str {
                match self { $(Mutation::$name => $what,)* }
            }
        }
    };
}

mutations! {
    OffsetIsSkipped, "I1", "an offset is left out now and then";
    SubscriberIsPassedOver, "I2", "now and then a subscriber is left out of a broadcast";
    GapIsNotTold, "I2", "a core that misses a publication tells nobody";
    FilterIsIgnored, "I2", "filters let everything through";
    NinthIsAGap, "I2", "a core takes offset 9 for a gap";
    RecoveryRepeatsOne, "I3", "a recovered list begins with the publication that the client has";
    UnkeptIsHandedOutTwice, "I3", "what is not kept is handed out twice";
    RecoversTooFar, "I4", "a stream says that it recovers one publication more than it keeps";
    RecoversTooLittle, "I4", "a stream recovers nothing above offset 12";
    RecoversOneMore, "I4", "one publication more than allowed is recovered";
    TopIsOneTooLow, "I4", "a subscriber is told a top that is one too low";
    HistoryLivesTwice, "I4", "history lives twice as long";
    EpochIsReused, "I5", "all streams have one epoch";
    ListenersDoNotCount, "I5", "a channel with listeners loses its position in time";
    NoPositionIsChecked, "I5", "no core asks where a channel stands";
    WishIsNotTakenBack, "I6", "an owner is not told that nobody listens any more";
    SeatIsForgotten, "I6", "who is moved within an audience does not learn it";
    DepartureIsForgotten, "I7", "now and then an owner is not told of a departure";
    EntryIsNotAwaited, "I7", "a former subscription takes the entry of a newer one out of presence";
    ReplyIsDropped, "I8", "now and then the reply to unsubscribe is not sent";
    ReplyIsRepeated, "I8", "now and then the reply to unsubscribe is sent twice";
    NothingIsHeld, "I9", "what is broadcast to a connection goes ahead of its reply to connect";
    ClosedIsPinged, "I9", "a ping follows the close frame";
    CutLosesTheMiddle, "I10", "a client that is cut gets the last message that waited, without those before";
    QueueHasNoBound, "I11", "nobody is cut for what waits for it";
    InputIsKept, "I11", "what a connection has sent counts when it is gone";
    BudgetIsIgnored, "I11", "publications are taken however much is held";
    ListsAreKept, "I11", "what was written to everybody is not forgotten";
    TimerIsForgotten, "I12", "one connection in four has no timer";
    LateAnswerIsTaken, "I12", "an answer for a connection that is gone reaches the next one in its place";
    KeyIsForgotten, "I13", "now and then a known idempotency key is new";
    RepeatIsToldNothing, "I13", "a repeat of an idempotency key is told no position";
    HeldIsReversed, "I14", "what was held for a connection comes in the reverse order";
    EverybodyMaySubscribe, "I15", "a subscription needs no permission";
    EverybodyMayPublish, "I15", "a publication needs no permission";
    ReloadIsMissed, "I16", "the first core goes on with the former rules";
    FilterRuleIsStale, "I16", "filters are allowed whatever the rules say";
    LeaverIsCounted, "I17", "who has left still counts as a client";
    MessageIsNotCounted, "I17", "replies do not count as messages";
    WishIsRepeated, "I18", "an owner is told the same many times";
    SliceIsIgnored, "I18", "a slice of writes has no end";
    EpochIsNoise, "I19", "an epoch is not made of the seed";
    WaitsNeverEnd, "I20", "what waits for more waits for ever";
    CatchUpIsForgotten, "I20", "who has fallen behind is not looked at when it has read the rest";
    PatchOfAnother, "I21", "what is not kept does not interrupt the patches";
    EverybodyTakesPatches, "I21", "who has nothing yet gets a patch";
    EndHasNoTimer, "I22", "a connection does not end with its token";
    SubscriptionEndHasNoTimer, "I22", "a subscription does not end with its token";
    EndHasNoGrace, "I22", "a token ends without grace";
    LeaverIsHeard, "I23", "who has unsubscribed stays in the audience";
    LimitIsOneMore, "I24", "a connection may have one subscription more than its limit";
    PublicationIsNotKept, "I25", "now and then a publication that has a position is not kept";
    ActDoesNotAskOwners, "I25", "an act is answered before owners know of the departures";
    ActIsAnsweredEarly, "I25", "an act is answered before its grants are in place";
}

/// True when this fault is to be made.
#[cfg(not(feature = "mutations"))]
pub const fn is(_: Mutation) -> bool {
    false
}

/// True when this fault is to be made.
#[cfg(feature = "mutations")]
pub fn is(mutation: Mutation) -> bool {
    made::CURRENT.get() == Some(mutation)
}

#[cfg(feature = "mutations")]
pub use made::{noise, set};

#[cfg(feature = "mutations")]
mod made {
    use super::Mutation;
    use std::cell::Cell;
    use std::sync::atomic::{AtomicU64, Ordering};

    thread_local!(pub(super) static CURRENT: Cell<Option<Mutation>> = const { Cell::new(None) });

    /// From now on the cores of this thread make this fault.
    pub fn set(mutation: Option<Mutation>) {
        CURRENT.set(mutation);
    }

    /// Another number each time, whatever the seed.
    pub fn noise() -> u64 {
        static LAST: AtomicU64 = AtomicU64::new(0);
        LAST.fetch_add(1, Ordering::Relaxed)
    }
}

/// Another number each time; without the feature there is none.
#[cfg(not(feature = "mutations"))]
pub const fn noise() -> u64 {
    0
}
