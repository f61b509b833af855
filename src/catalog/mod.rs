//! Application and base definitions: YAML in, typed out.

mod model;
mod template;

pub use model::{
    AppDef, AppVersion, BaseDef, BaseSource, Bootstrap, Conflict, FileDef, OptionDef, OptionKind,
    OptionValue, Os, OsSupport, Repository, Require, Tier,
};
pub use template::{MAX_RENDERED, MAX_TEMPLATE, Template, TemplateError, shell_quote};

/// Everything the catalogue files say, later layers over earlier ones.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    layers: Vec<String>,
}

impl Catalog {
    /// The layers' names, such as `built-in` and `catalog`, earlier ones first.
    #[must_use]
    pub fn layers(&self) -> &[String] {
        &self.layers
    }
}
