//! Application and base definitions: YAML in, typed out.
//!
//! A catalogue is made of layers: the built-in one, `catalog/` beside the ImageFile, and every
//! `catalog "DIR"`. Within a layer a name is defined once; a later layer's definition hides those of
//! the same name before it, and [`Catalog::hidden_apps`] remembers which.

mod app;
mod base;
mod builtin;
mod fields;
mod load;
mod model;
mod node;
mod option;
mod plain_yaml;
mod project;
mod published;
mod template;
pub mod wire;
mod yaml;

#[cfg(test)]
mod tests;

pub use builtin::{BUILTIN_FILES, builtin};
pub use load::{Catalog, Layer};
pub use model::{
    AppDef, AppVersion, BaseDef, BaseSource, Bootstrap, ChecksumSignature, Conflict, FileDef, OptionDef,
    OptionKind, OptionValue, Os, OsSupport, Packages, Repository, Require, Tier,
};
pub use project::load_project;
pub use published::{NotPublished, published};
pub use template::{MAX_RENDERED, MAX_TEMPLATE, Template, TemplateError, shell_quote};

pub(crate) use app::check_path;

/// The layer that is compiled in, the first of every catalogue.
pub const BUILT_IN: usize = 0;
