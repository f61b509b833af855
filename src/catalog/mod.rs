//! Application and base definitions: YAML in, typed out.
