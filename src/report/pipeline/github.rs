//! A plan as the `strategy.matrix` of a job of GitHub Actions.

use schemars::JsonSchema;
use serde::Serialize;

use super::JobCommand;
use crate::plan::Pipeline;

/// As many jobs as GitHub makes of one matrix.
pub const MATRIX_LIMIT: usize = 256;

/// What `strategy.matrix` takes: each entry becomes a job, whose steps read it as `matrix.KEY`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct GithubMatrix {
    /// The images, each after those that it stands on.
    pub include: Vec<MatrixEntry>,
}

/// An image that a job builds.
#[derive(Debug, Serialize, JsonSchema)]
pub struct MatrixEntry {
    /// As the ImageFile has it, and as `--image` takes it.
    pub image: String,
    /// Stands for it in names of artifacts and caches: `A-Z a-z 0-9 _ -`.
    pub id: String,
    /// How many images it stands on: those of a level are built when those of the levels before are.
    pub level: usize,
    /// The `id`s of the images that it stands on, the lowest first.
    pub needs: Vec<String>,
    /// Beginning of the name of the cache of its store; it changes with the disk that the image starts from.
    pub cache: String,
    /// Beginning of the name of the cache to start from where there is none of its own.
    pub base_cache: String,
    /// The files that the job leaves, as patterns, one a line.
    pub artifacts: String,
}

/// A plan as a matrix, in one line; only the images of `level`, if one is given.
#[must_use]
pub fn github_matrix(pipeline: &Pipeline, level: Option<usize>, command: &JobCommand) -> (String, usize) {
    let jobs = &pipeline.jobs;
    let entry = |job: &crate::plan::PipelineJob| MatrixEntry {
        image: job.image.clone(),
        id: job.id.clone(),
        level: job.level,
        needs: job.below.iter().map(|&below| jobs[below].id.clone()).collect(),
        cache: job.cache.clone(),
        base_cache: job.base().map_or_else(|| format!("imgfile.{}", job.id), |base| jobs[base].cache.clone()),
        artifacts: command.files(&job.stems).join("\n"),
    };
    let wanted = jobs.iter().filter(|job| level.is_none_or(|level| job.level == level));
    let matrix = GithubMatrix { include: wanted.map(entry).collect() };
    // Plain data with text keys always has a JSON form.
    (serde_json::to_string(&matrix).unwrap_or_default() + "\n", matrix.include.len())
}
