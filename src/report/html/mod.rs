//! A build's record as one HTML file: no network, no scripts, light and dark.

use std::collections::BTreeMap;

use minijinja::{AutoEscape, Environment};
use serde::Serialize;

use super::{
    progress::{duration, size},
    utc,
};
use crate::{
    exec::{PackageSummary, PlanSummary},
    store::records::{ArtifactRecord, BuildRecord, ImageRecord, Kind, State, StepRecord},
    text::is_hidden,
};

const STYLE: &str = include_str!("report.css");
const TEMPLATE: &str = include_str!("report.html");

/// What a report shows beside the record.
#[derive(Debug, Clone, Default)]
pub struct Beside {
    /// Everything the build printed.
    pub log: Option<String>,
    /// Why steps ran, by image and step.
    pub reasons: BTreeMap<(String, String), String>,
}

/// The report of a build.
pub fn build_report(record: &BuildRecord, beside: &Beside) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    // Names and output come from a guest: everything is text.
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.add_template("report", TEMPLATE)?;
    let html = environment.get_template("report")?.render(minijinja::value::Serde(page(record, beside)))?;
    // Nor may it change how the page reads.
    Ok(html.chars().map(|c| if is_hidden(c) { '\u{FFFD}' } else { c }).collect())
}

/// Everything as the template shows it.
#[derive(Debug, Serialize)]
struct Page<'a> {
    style: &'static str,
    id: i64,
    state: State,
    project: &'a str,
    version: &'a str,
    kind: &'static str,
    commit: Option<&'a str>,
    diagnosis: Option<&'a str>,
    log: Option<&'a str>,
    log_size: String,
    began: String,
    elapsed: String,
    message: Option<&'a str>,
    images: usize,
    run: usize,
    reused: usize,
    /// The time axis: where a line is, in percent, and its label.
    ticks: Vec<Tick>,
    sections: Vec<Section<'a>>,
}

#[derive(Debug, Serialize)]
struct Tick {
    left: f64,
    label: String,
}

/// An image, or the steps of no image.
#[derive(Debug, Serialize)]
struct Section<'a> {
    name: Option<&'a str>,
    state: Option<State>,
    message: Option<&'a str>,
    elapsed: String,
    facts: Vec<(&'static str, String)>,
    labels: Vec<(String, String)>,
    bars: Vec<Bar<'a>>,
    /// The steps that are tests, again.
    tests: Vec<Test<'a>>,
    artifacts: Vec<Artifact<'a>>,
    packages: Vec<Package>,
    packages_size: String,
}

#[derive(Debug, Serialize)]
struct Bar<'a> {
    name: &'a str,
    state: State,
    left: f64,
    width: f64,
    elapsed: String,
    exit: Option<&'a str>,
    output: String,
    tail: &'a str,
    /// Why it ran.
    reason: Option<&'a str>,
    /// Whether its output is shown at once: that of a failure is.
    open: bool,
}

#[derive(Debug, Serialize)]
struct Test<'a> {
    name: &'a str,
    state: State,
    elapsed: String,
    exit: &'a str,
}

#[derive(Debug, Serialize)]
struct Artifact<'a> {
    path: &'a str,
    size: String,
    sha256: String,
    protected: bool,
}

#[derive(Debug, Serialize)]
struct Package {
    name: String,
    version: String,
    size: String,
    auto: bool,
}

fn page<'a>(record: &'a BuildRecord, beside: &'a Beside) -> Page<'a> {
    let summary = &record.summary;
    let steps = || record.steps.iter().chain(record.details.iter().flat_map(|image| &image.steps));
    let last = steps().map(|step| step.began_ms + step.elapsed_ms.unwrap_or(0)).max().unwrap_or(0);
    let total = summary.elapsed_ms.unwrap_or(last).max(last).max(1);
    let reused = steps().filter(|step| step.state == State::Reused).count();
    let mut sections = Vec::new();
    if !record.steps.is_empty() {
        sections.push(Section {
            name: None,
            state: None,
            message: None,
            elapsed: String::new(),
            facts: Vec::new(),
            labels: Vec::new(),
            bars: record.steps.iter().map(|step| bar(step, total, None)).collect(),
            tests: Vec::new(),
            artifacts: Vec::new(),
            packages: Vec::new(),
            packages_size: String::new(),
        });
    }
    sections.extend(record.details.iter().map(|image| section(image, total, beside)));
    Page {
        style: STYLE,
        id: summary.id,
        state: summary.state,
        project: &summary.project,
        version: &summary.version,
        kind: match summary.kind {
            Kind::Build => "Build",
            Kind::Test => "Test",
            Kind::Capture => "Capture",
        },
        commit: summary.commit.as_deref(),
        diagnosis: record.diagnosis.as_deref().map(str::trim_end).filter(|text| !text.is_empty()),
        log: beside.log.as_deref(),
        log_size: size(beside.log.as_ref().map_or(0, |log| log.len() as u64)),
        began: utc(summary.began_ms),
        elapsed: summary.elapsed_ms.map(elapsed).unwrap_or_default(),
        // Said once, where it belongs.
        message: summary
            .message
            .as_deref()
            .filter(|message| record.details.iter().all(|image| image.message.as_deref() != Some(message))),
        images: record.details.len(),
        run: steps().count() - reused,
        reused,
        ticks: ticks(total),
        sections,
    }
}

fn section<'a>(image: &'a ImageRecord, total: i64, beside: &'a Beside) -> Section<'a> {
    let plan: Option<PlanSummary> =
        image.plan.as_ref().and_then(|plan| serde_json::from_value(plan.clone()).ok());
    let mut facts = Vec::new();
    if let Some(plan) = &plan {
        facts.push(("System", format!("{} {}", plan.os, plan.arch)));
        facts.push(("Base", plan.base.clone()));
        facts.push(("Disk", size(plan.disk_size)));
        facts.push(("Plan key", plan.key.clone()));
    }
    let plan = plan.unwrap_or_default();
    Section {
        name: Some(&image.name),
        state: Some(image.state),
        message: image.message.as_deref(),
        elapsed: image.elapsed_ms.map(elapsed).unwrap_or_default(),
        facts,
        labels: plan.labels.clone().into_iter().collect(),
        bars: image
            .steps
            .iter()
            .map(|step| {
                let reason = beside.reasons.get(&(image.name.clone(), step.name.clone()));
                bar(step, total, reason.map(String::as_str))
            })
            .collect(),
        tests: image.steps.iter().filter_map(test).collect(),
        artifacts: image.artifacts.iter().map(artifact).collect(),
        packages_size: size(plan.packages.iter().map(|package| package.size).sum()),
        packages: plan.packages.into_iter().map(package).collect(),
    }
}

/// A step that is a test.
fn test(step: &StepRecord) -> Option<Test<'_>> {
    Some(Test {
        name: step.name.strip_prefix("test ")?,
        state: step.state,
        elapsed: step.elapsed_ms.map(elapsed).unwrap_or_default(),
        exit: step.exit.as_deref().unwrap_or_default(),
    })
}

fn bar<'a>(step: &'a StepRecord, total: i64, reason: Option<&'a str>) -> Bar<'a> {
    let length = step.elapsed_ms.unwrap_or(total - step.began_ms).max(0);
    let left = percent(step.began_ms.clamp(0, total), total);
    Bar {
        name: &step.name,
        state: step.state,
        left,
        width: percent(length, total).min(100.0 - left),
        elapsed: step.elapsed_ms.map(elapsed).unwrap_or_default(),
        exit: step.exit.as_deref(),
        output: size(u64::try_from(step.output_bytes).unwrap_or(0)),
        tail: &step.tail,
        reason: reason.filter(|_| step.state != State::Reused),
        open: step.state == State::Failed,
    }
}

fn artifact(artifact: &ArtifactRecord) -> Artifact<'_> {
    Artifact {
        path: &artifact.path,
        size: size(u64::try_from(artifact.size).unwrap_or(0)),
        sha256: artifact.sha256.to_string(),
        protected: artifact.protected,
    }
}

fn package(package: PackageSummary) -> Package {
    Package { size: size(package.size), name: package.name, version: package.version, auto: package.auto }
}

/// Lines at round times, at most eight.
fn ticks(total: i64) -> Vec<Tick> {
    const ROUND_S: [i64; 12] = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200];
    let apart = ROUND_S.into_iter().find(|seconds| total / (seconds * 1000) <= 8).unwrap_or(14_400) * 1000;
    let count = (total / apart).min(8);
    (0..=count)
        .map(|number| {
            let (minutes, seconds) = (number * apart / 60_000, number * apart / 1000 % 60);
            let label = if minutes > 0 { format!("{minutes}:{seconds:02}") } else { format!("{seconds} s") };
            Tick { left: percent(number * apart, total), label }
        })
        .collect()
}

/// With two decimals: a bar is a few thousand pixels wide at most.
#[allow(clippy::cast_precision_loss)] // milliseconds of a build, far below 2^52
fn percent(part: i64, total: i64) -> f64 {
    (part as f64 / total as f64 * 10_000.0).round() / 100.0
}

fn elapsed(ms: i64) -> String {
    duration(u64::try_from(ms).unwrap_or(0))
}

#[cfg(test)]
mod tests;
