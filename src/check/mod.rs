//! `Ast` to `Spec`: what the file means, without a catalogue, a network or a clock.
