//! Editor features on plain types.
