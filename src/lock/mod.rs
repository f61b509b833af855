//! The lockfile: its wire form, and satisfied-or-why-not.
