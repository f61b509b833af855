//! The jobs that build a plan on many machines, as systems that run such jobs read them.

mod github;
mod gitlab;
#[cfg(test)]
mod tests;

pub use github::{GithubMatrix, MATRIX_LIMIT, MatrixEntry, github_matrix};
pub use gitlab::gitlab;

use crate::text::quoted;

/// How the jobs call `imgfile build`, beside which image each builds.
#[derive(Debug, Clone, Default)]
pub struct JobCommand {
    /// The ImageFile, or its folder, from where the jobs run.
    pub path: String,
    /// Options and their values, such as those of `--set`.
    pub options: Vec<String>,
    /// The folder that artifacts appear in, from where the jobs run.
    pub out: String,
}

impl JobCommand {
    /// The command that builds an image, as a line for a shell.
    fn line(&self, image: &str) -> String {
        let mut words = vec!["imgfile".to_owned(), "build".to_owned()];
        if self.path != "." {
            words.push(quoted(&self.path));
        }
        words.extend(self.options.iter().map(|option| quoted(option)));
        // What an earlier job brought of the images below is replaced where the store does not know it.
        words.push("--force".to_owned());
        words.push(quoted(&format!("--image={image}")));
        words.join(" ")
    }

    /// The files in the output folder that begin with these names, as patterns: where a name has a character that means
    /// something in one, all of the folder.
    fn files(&self, stems: &[String]) -> Vec<String> {
        let is_plain = |stem: &String| stem.chars().all(|c| c.is_ascii_alphanumeric() || "._- ".contains(c));
        let out = &self.out;
        if stems.iter().all(is_plain) && out.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c))
        {
            stems.iter().map(|stem| format!("{out}/{stem}.*")).collect()
        } else {
            vec![format!("{out}/")]
        }
    }
}
