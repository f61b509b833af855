//! The images of a plan as jobs for a system that runs jobs on many machines: one an image, each after those that it
//! stands on.

use std::collections::BTreeSet;

use super::{Circle, Graph, Plan};
use crate::{model::OutputFormat, text::Digest};

/// How long an identifier becomes at most; some systems cut names of artifacts and caches off not far above.
const ID_LIMIT: usize = 60;

/// The jobs of a plan, in an order in which each comes after those that it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pipeline {
    /// One for each image.
    pub jobs: Vec<PipelineJob>,
}

/// What builds one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipelineJob {
    /// As the ImageFile has it, and as `--image` takes it.
    pub image: String,
    /// Stands for it where names may not have every character: `A-Z a-z 0-9 _ -`, and no other job's.
    pub id: String,
    /// How many images it stands on: all of a level can be built at once when those before are.
    pub level: usize,
    /// Numbers of the jobs of the images below it, the lowest first.
    pub below: Vec<usize>,
    /// Name of the store that it leaves, for a cache: it changes with the disk that the image starts from.
    pub cache: String,
    /// Names of the files of its images, without their extensions: its own files in the output folder begin so.
    pub stems: Vec<String>,
}

impl PipelineJob {
    /// The job of the image that this one stands on.
    #[must_use]
    pub fn base(&self) -> Option<usize> {
        self.below.last().copied()
    }
}

impl Pipeline {
    /// The jobs that build a plan.
    ///
    /// # Errors
    /// A plan that was made has no circles.
    pub fn of(plan: &Plan) -> Result<Self, Circle> {
        let graph = Graph::of_plans(&plan.images)?;
        let order = graph.order();
        let mut ids = BTreeSet::new();
        let mut jobs = Vec::with_capacity(order.len());
        for (image, number) in order.iter().map(|&number| (&plan.images[number], number)) {
            let mut below = graph.lineage(number);
            below.pop();
            let place = |image: usize| order.iter().position(|&one| one == image);
            let below: Vec<usize> = below.into_iter().filter_map(place).collect();
            let id = identifier(&image.image, &mut ids);
            let cache = format!("imgfile.{id}.{}", image.base_key().0.short());
            let stems: BTreeSet<&str> =
                image.outputs.iter().map(|output| OutputFormat::split(&output.file).0).collect();
            let stems = stems.into_iter().map(str::to_owned).collect();
            jobs.push(PipelineJob {
                image: image.image.clone(),
                id,
                level: below.len(),
                below,
                cache,
                stems,
            });
        }
        Ok(Self { jobs })
    }
}

/// A name of letters, digits and `_ -`, as like the image's as can be. Names that differ in case alone are one to some
/// systems.
fn identifier(image: &str, taken: &mut BTreeSet<String>) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let plain: String = image.chars().map(|c| if fits(c) { c } else { '-' }).take(ID_LIMIT).collect();
    let is_own = plain == image && plain.starts_with(|c: char| c.is_ascii_alphanumeric());
    if is_own && taken.insert(plain.to_ascii_lowercase()) {
        return plain;
    }
    let short = Digest::of(image).short();
    let cut: String = plain.trim_matches(['-', '_']).chars().take(ID_LIMIT - 1 - short.len()).collect();
    let id = if cut.is_empty() { short } else { format!("{cut}-{short}") };
    taken.insert(id.to_ascii_lowercase());
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_plain_short_and_different() {
        let mut taken = BTreeSet::new();
        let long = "l".repeat(255);
        let names = ["web", "web server", "Web", "-web", "웹", "web/../x", long.as_str(), "'", "\"; rm"];
        let ids: Vec<String> = names.iter().map(|name| identifier(name, &mut taken)).collect();
        assert_eq!(ids[0], "web");
        assert!(ids[1].starts_with("web-server-") && ids[2].starts_with("Web-"), "{ids:?}");
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        assert!(ids.iter().all(|id| id.len() <= ID_LIMIT && !id.starts_with('-') && id.chars().all(fits)));
        let lower: BTreeSet<String> = ids.iter().map(|id| id.to_ascii_lowercase()).collect();
        assert_eq!(lower.len(), names.len(), "{ids:?}");
    }
}
