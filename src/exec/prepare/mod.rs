//! From a resolution to a plan and its lock: what has to be looked up for that, and where.
//!
//! A lock that holds answers everything, without network and without indexes. Else the archives' verified
//! indexes do, fetched where the store's are too old.

mod pins;

pub use pins::{BasePins, Pins};
