//! The machines a plan runs on: the trait, its capabilities, `fake` and `qemu`.
