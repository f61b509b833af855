use super::*;
use crate::plan::{Pipeline, PipelineJob};

fn job(image: &str, id: &str, below: &[usize], stem: &str) -> PipelineJob {
    PipelineJob {
        image: image.to_owned(),
        id: id.to_owned(),
        level: below.len(),
        below: below.to_vec(),
        cache: format!("imgfile.{id}.0123456789ab"),
        stems: vec![stem.to_owned()],
    }
}

/// Names that mean something to YAML, to shells, to GitLab and to patterns.
const ODD: &str = "it's: \"$HOME\" #1 & *x* ${{ secrets.A }} - 웹";

fn family() -> Pipeline {
    Pipeline {
        jobs: vec![
            job("common", "common", &[], "common"),
            job("true", "true", &[], "true"),
            job(ODD, "it-s-1", &[0], "$x [1]"),
            job("leaf", "leaf", &[0, 2], "leaf"),
        ],
    }
}

fn command() -> JobCommand {
    JobCommand {
        path: "images/a b".to_owned(),
        options: vec!["--locked".to_owned(), "--set=word=two words".to_owned()],
        out: "images/out".to_owned(),
    }
}

#[test]
fn a_matrix_is_one_line_with_an_entry_an_image() {
    let (matrix, count) = github_matrix(&family(), None, &command());
    assert_eq!((count, matrix.lines().count()), (4, 1));
    let matrix: serde_json::Value = serde_json::from_str(&matrix).unwrap();
    let entries = matrix["include"].as_array().unwrap();
    assert_eq!(entries[2]["image"], ODD);
    assert_eq!(entries[3]["needs"], serde_json::json!(["common", "it-s-1"]));
    assert_eq!(entries[3]["base_cache"], entries[2]["cache"]);
    assert_eq!(entries[0]["base_cache"], "imgfile.common");
    assert_eq!(entries[0]["artifacts"], "images/out/common.*");
    assert_eq!(entries[2]["artifacts"], "images/out/", "a name that is a pattern names all of the folder");
    let levels: Vec<usize> =
        (0..4).map(|level| github_matrix(&family(), Some(level), &command()).1).collect();
    assert_eq!(levels, [2, 1, 1, 0]);
    assert_eq!(github_matrix(&family(), Some(3), &command()).0, "{\"include\":[]}\n");
}

#[test]
fn a_child_pipeline_is_read_back_as_it_was_meant() {
    let text = gitlab(&family(), &command());
    let read: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
    let name = format!("image {ODD}");
    let odd = &read[name.as_str()];
    assert_eq!(odd["extends"], ".imgfile");
    assert_eq!(odd["needs"][0]["job"], "image common");
    assert_eq!(odd["cache"]["key"], "imgfile.it-s-1.0123456789ab");
    assert_eq!(odd["cache"]["fallback_keys"][0], "imgfile.common", "the store of the image below it");
    assert_eq!(read["image leaf"]["needs"][1]["job"], name.as_str());
    assert_eq!(read["image common"]["needs"].as_sequence().unwrap().len(), 0, "it begins at once");
    let script = odd["script"][0].as_str().unwrap();
    let expected = "imgfile build 'images/a b' --locked '--set=word=two words' --force '--image=it'\\''s: \"$HOME\" #1 & *x* \
                    ${{ secrets.A }} - 웹'";
    assert_eq!(script, expected);
    // Every job of GitLab's is one of ours, the template, or a word that says so.
    let keys: Vec<&str> = read.as_mapping().unwrap().keys().map(|key| key.as_str().unwrap()).collect();
    assert_eq!(keys[..3], ["stages", "variables", ".imgfile"]);
    assert_eq!(keys[3..].len(), 4);
    assert!(keys[3..].iter().all(|key| key.starts_with("image ")), "`true` is no name for a job");
}

#[test]
fn a_name_too_long_for_a_job_is_shortened_where_it_is_needed_too() {
    let long = "웹".repeat(85) + &"l".repeat(200);
    let pipeline = Pipeline { jobs: vec![job(&long, "l", &[], "l"), job("leaf", "leaf", &[0], "leaf")] };
    let read: serde_yaml::Value = serde_yaml::from_str(&gitlab(&pipeline, &command())).unwrap();
    assert_eq!(read["image leaf"]["needs"][0]["job"], "image l");
    let script = read["image l"]["script"][0].as_str().unwrap();
    assert!(script.ends_with(&format!("'--image={long}'")), "{script}");
}
