//! The scheduler: events, cache, cancel, journal.
