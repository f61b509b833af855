//! What was built before and is still there: then nothing has to be done at all.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};

use super::{Artifact, BuildError, Tests};
use crate::{plan::ImagePlan, store::Store, text::Digest};

/// Changes with the meaning of [`Finished`].
const KIND: &str = "finished-v1";

/// The artifacts of one plan that passed its tests, by file name: digest and size in bytes.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Finished {
    files: BTreeMap<String, (Digest, u64)>,
}

/// Everything that decides what the artifacts are, whether they were tested, and what was asked of their disk.
fn key(image: &ImagePlan, tests: Tests) -> Digest {
    let passed =
        tests.are_run_on(image).then_some((&image.tests, &image.user, image.network, &image.base.firmware));
    // Plan types are plain data with text keys: their serialisation has no failing case.
    let json = match tests {
        Tests::All => {
            serde_json::to_vec(&(&image.gate, image.key(), image.disk_size, &image.outputs, passed, "all"))
        }
        _ => serde_json::to_vec(&(&image.gate, image.key(), image.disk_size, &image.outputs, passed)),
    };
    Digest::of(json.unwrap_or_default())
}

/// The artifacts in the output folder, if they are those of this plan.
pub(super) fn find(store: &Store, image: &ImagePlan, tests: Tests, out: &Path) -> Option<Vec<Artifact>> {
    let finished: Finished = store.facts().get(KIND, &key(image, tests))?;
    let artifact = |output: &crate::plan::OutputPlan| {
        let path = out.join(&output.file);
        let (sha256, size) = *finished.files.get(&output.file)?;
        // The digest of an unchanged file is remembered: this costs a look at the folder.
        let same = path.is_file() && store.digest_file(&path).ok()? == sha256;
        same.then_some(Artifact { path, sha256, size })
    };
    image.outputs.iter().map(artifact).collect()
}

/// Remembers the artifacts of a plan.
pub(super) fn remember(
    store: &Store,
    image: &ImagePlan,
    tests: Tests,
    artifacts: &[Artifact],
) -> Result<(), BuildError> {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let files = artifacts.iter().map(|one| (name(&one.path), (one.sha256, one.size))).collect();
    let finished = Finished { files };
    if tests == Tests::All {
        // What passed all passed its own.
        store.facts().put(KIND, &key(image, Tests::Own), &finished)?;
    }
    store.facts().put(KIND, &key(image, tests), &finished)?;
    Ok(())
}
