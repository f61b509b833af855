//! A plan as a child pipeline of GitLab CI.

use serde::Serialize;

use super::JobCommand;
use crate::plan::{Pipeline, PipelineJob};

/// What every job extends; a second file of the same pipeline may change it.
const TEMPLATE: &str = ".imgfile";

/// As many characters as a job's name may have.
const NAME_LIMIT: usize = 255;

#[derive(Serialize)]
struct Document<'a> {
    stages: [&'static str; 1],
    variables: Variables,
    #[serde(flatten)]
    jobs: Jobs<'a>,
}

/// Of the whole pipeline: what triggers it may give them other values.
#[derive(Serialize)]
#[serde(rename_all = "UPPERCASE")]
struct Variables {
    imgfile_store: &'static str,
    imgfile_store_size: &'static str,
}

/// In the order in which they are written.
struct Jobs<'a> {
    template: Template,
    jobs: Vec<(String, Job<'a>)>,
}

impl Serialize for Jobs<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(TEMPLATE, &self.template)?;
        for (name, job) in &self.jobs {
            map.serialize_entry(name, job)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct Template {
    stage: &'static str,
    image: &'static str,
    before_script: [&'static str; 1],
    after_script: [&'static str; 2],
}

#[derive(Serialize)]
struct Job<'a> {
    extends: &'static str,
    needs: Vec<Need<'a>>,
    cache: Cache<'a>,
    script: [String; 1],
    artifacts: Artifacts,
}

#[derive(Serialize)]
struct Need<'a> {
    job: &'a str,
    artifacts: bool,
}

#[derive(Serialize)]
struct Cache<'a> {
    key: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fallback_keys: Vec<&'a str>,
    paths: [&'static str; 1],
    when: &'static str,
}

#[derive(Serialize)]
struct Artifacts {
    paths: Vec<String>,
}

/// What a job is called: as its image, behind a word that keeps it from being one of GitLab's own or hidden.
fn name(job: &PipelineJob) -> String {
    let name = format!("image {}", job.image);
    if name.chars().count() <= NAME_LIMIT { name } else { format!("image {}", job.id) }
}

/// Name of the cache of a job's store. That of an image upon no other is of use whatever its base is now.
fn cache(job: &PipelineJob) -> String {
    if job.below.is_empty() { format!("imgfile.{}", job.id) } else { job.cache.clone() }
}

/// A plan as YAML: a job an image, each after those of the images that it stands on.
#[must_use]
pub fn gitlab(pipeline: &Pipeline, command: &JobCommand) -> String {
    let names: Vec<String> = pipeline.jobs.iter().map(name).collect();
    let caches: Vec<String> = pipeline.jobs.iter().map(cache).collect();
    let job = |job: &PipelineJob| Job {
        extends: TEMPLATE,
        needs: job.below.iter().map(|&below| Need { job: &names[below], artifacts: true }).collect(),
        cache: Cache {
            key: cache(job),
            fallback_keys: job.base().map(|base| caches[base].as_str()).into_iter().collect(),
            paths: [".imgfile-store"],
            when: "always",
        },
        script: [command.line(&job.image)],
        artifacts: Artifacts { paths: command.files(&job.stems) },
    };
    let template = Template {
        stage: "images",
        image: "$IMGFILE_CONTAINER",
        // GitLab's runners make these folders writable for everybody, and a store below them is refused.
        before_script: [
            r#"for d in .imgfile-store "$CI_PROJECT_DIR" "${CI_PROJECT_DIR%/*}" /builds; do chmod go-w "$d" || true; done"#,
        ],
        // The memory of machines is of use to this runner only.
        after_script: ["imgfile gc --keep-builds 10", "rm -rf .imgfile-store/machines"],
    };
    let document = Document {
        stages: ["images"],
        variables: Variables { imgfile_store: "$CI_PROJECT_DIR/.imgfile-store", imgfile_store_size: "4GiB" },
        jobs: Jobs { template, jobs: names.iter().cloned().zip(pipeline.jobs.iter().map(job)).collect() },
    };
    let head = "# Written by `imgfile plan --format gitlab-child-pipeline`: a job an image, each after those it stands on.\n";
    // Texts, lists and maps by text always have a form.
    head.to_owned() + &serde_yaml::to_string(&document).unwrap_or_default()
}
