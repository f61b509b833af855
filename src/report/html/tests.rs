use super::*;
use crate::{store::records::BuildSummary, text::Digest};

fn step(name: &str, state: State, began_ms: i64, elapsed_ms: i64, tail: &str) -> StepRecord {
    let output_bytes = i64::try_from(tail.len()).unwrap();
    let (name, tail) = (name.to_owned(), tail.to_owned());
    let exit = (!tail.is_empty()).then(|| "exit status 1".to_owned());
    StepRecord { name, state, began_ms, elapsed_ms: Some(elapsed_ms), exit, output_bytes, tail }
}

fn record() -> BuildRecord {
    let package = |name: &str, auto| PackageSummary {
        name: name.into(),
        version: "1.26.3-3".into(),
        size: 612_000,
        auto,
    };
    let plan = PlanSummary {
        os: "debian 13".into(),
        arch: crate::model::Arch::X86_64,
        base: "debian-13".into(),
        disk_size: 8 << 30,
        key: Digest::of("key").to_string(),
        labels: [("team".to_owned(), "shop & stock".to_owned())].into(),
        packages: vec![package("nginx-light", false), package("libc6", true)],
        outputs: vec!["web.qcow2".into()],
        ..PlanSummary::default()
    };
    let web = ImageRecord {
        name: "web".into(),
        state: State::Failed,
        began_ms: 2000,
        elapsed_ms: Some(41_000),
        message: Some("`script <announce>` failed with exit status 1".into()),
        plan: Some(serde_json::to_value(&plan).unwrap()),
        steps: vec![
            step("grow", State::Reused, 2000, 0, ""),
            step("start the machine", State::Done, 2100, 2400, ""),
            step(
                "packages",
                State::Done,
                4500,
                11_300,
                "Unpacking nginx-light (1.26.3-3) ...\nSetting up nginx-light",
            ),
            step("boot", State::Done, 15_800, 5100, ""),
            step(
                "script <announce>",
                State::Failed,
                20_900,
                22_000,
                "<script>alert(1)</script>\nno such file: \"motd\"",
            ),
            step("test the <front> page", State::Done, 42_900, 100, ""),
        ],
        artifacts: vec![ArtifactRecord {
            id: 1,
            build: Some(7),
            project: "/srv/shop".into(),
            image: "web".into(),
            path: "/srv/shop/out/web.qcow2".into(),
            sha256: Digest::of("web"),
            size: 300 << 20,
            plan_key: plan.key.clone(),
            lock: None,
            lock_path: None,
            labels: plan.labels.clone(),
            made_ms: 0,
            protected: true,
            description: None,
            base: None,
            base_key: None,
            parent: None,
            appliance: None,
            captured: None,
            deprecated_ms: None,
            tags: Vec::new(),
            revoked: None,
            published: Vec::new(),
        }],
    };
    let summary = BuildSummary {
        id: 7,
        kind: Kind::Build,
        state: State::Failed,
        project: "/srv/shop".into(),
        images: vec!["web".into()],
        began_ms: 1_795_232_640_000,
        elapsed_ms: Some(43_000),
        steps_done: 4,
        steps_reused: 1,
        message: Some("`script <announce>` failed with exit status 1".into()),
        version: "0.1.0".into(),
        commit: Some("0123456789abcdef0123456789abcdef01234567".into()),
    };
    let diagnosis = "error[E0601]: `script <announce>` failed with exit status 1\n  ┌─ ImageFile:12:3\n";
    BuildRecord {
        summary,
        diagnosis: Some(diagnosis.into()),
        details: vec![web],
        steps: vec![step("make base debian-13", State::Done, 0, 1900, "")],
    }
}

/// What is shown beside it.
fn beside() -> Beside {
    let reason = "`packages` before it changed: the packages".to_owned();
    Beside {
        log: Some("   1.0s web: > packages\n<b>all of it</b>\n".into()),
        reasons: [(("web".to_owned(), "script <announce>".to_owned()), reason)].into(),
    }
}

#[test]
fn a_failed_build_with_all_that_is_known() {
    let html = build_report(&record(), &beside()).unwrap();
    insta::assert_snapshot!(html.replace(STYLE, "…"));
}

#[test]
fn what_the_guest_says_stays_text() {
    let html = build_report(&record(), &beside()).unwrap();
    assert!(!["<script>", "<announce>", "<front>", "<b>all"].iter().any(|tag| html.contains(tag)));
    assert!(html.contains("&lt;script&gt;alert(1)"));
    for reach in ["http://", "https://", "src=", "url(", "@import"] {
        assert!(!html.contains(reach), "the report needs nothing from elsewhere, but has {reach}");
    }
}

#[test]
fn bars_lie_within_the_axis_and_ticks_are_few() {
    for total in [1, 999, 1000, 61_000, 3_600_000, 86_400_000] {
        let ticks = ticks(total);
        assert!(ticks.len() <= 9 && ticks.iter().all(|tick| tick.left <= 100.0), "{ticks:?}");
        let step = step("s", State::Running, total / 2, total * 2, "");
        let bar = bar(&step, total, None);
        assert!(bar.left >= 0.0 && bar.left + bar.width <= 100.01, "{bar:?}");
    }
}

#[test]
fn a_build_that_has_only_begun_has_a_report() {
    let mut record = record();
    record.summary.state = State::Running;
    record.summary.elapsed_ms = None;
    record.details.clear();
    record.steps.clear();
    assert!(build_report(&record, &Beside::default()).unwrap().contains("Build 7"));
}
