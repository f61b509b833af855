//! The grammar: the only place that knows pest. Parse, recover, `Ast`, fmt.
