//! Archive indexes, verified; the exact packages for a base and a set of names.
