//! Versions and requirements, the solve over image, base and applications, and its explanation.
