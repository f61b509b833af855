//! Catalogues made by rule, large ones and hard ones: the texts of applications, and the statements of an
//! image. The resolver's tests and its measurements use the same.

use std::fmt::Write as _;

/// Catalogue files, and the `app` statements of an image.
#[derive(Debug)]
pub struct Family {
    pub name: String,
    pub apps: Vec<String>,
    pub wanted: Vec<String>,
    /// Whether there is a solution, where the rule says.
    pub solvable: Option<bool>,
}

/// `SplitMix64`: the same numbers everywhere.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let number = z ^ (z >> 31);
        usize::try_from(number % limit.max(1) as u64).unwrap_or(0)
    }
}

fn app(name: &str, rest: &str) -> String {
    format!("schema: imgfile/app/v1\nname: {name}\nsummary: s\n{rest}\n")
}

fn family(
    name: String,
    apps: Vec<String>,
    wanted: impl Iterator<Item = String>,
    solvable: impl Into<Option<bool>>,
) -> Family {
    Family { name, apps, wanted: wanted.collect(), solvable: solvable.into() }
}

/// `count` applications with 20 versions each; every second version N needs version N or above of two
/// that come later in the catalogue. `chosen` of them are wanted.
pub fn large(count: usize, chosen: usize) -> Family {
    let mut random = Random(1);
    let apps = (0..count).map(|index| {
        let mut text = String::from("versions:\n");
        for version in 1..=20 {
            let _ = write!(text, "  - {{version: \"{version}.0\", os: [debian 12, debian 13]");
            let later = count - index - 1;
            if later > 10 && version % 2 == 0 {
                let (a, b) = (index + 1 + random.below(later), index + 1 + random.below(later.min(50)));
                let _ = write!(text, ", requires: [\"a{a} >={version}\", \"a{b} ^{version}\"]");
            }
            text.push_str("}\n");
        }
        let _ = write!(
            text,
            "claims: [\"tcp/{{{{ port }}}}\"]\noptions: {{port: {{type: port, default: {}}}}}",
            1000 + index
        );
        app(&format!("a{index}"), &text)
    });
    let step = count / chosen.max(1);
    let wanted = (0..chosen).map(|index| format!("a{}", index * step + step / 10));
    family(format!("{chosen} of {count} with 20 versions"), apps.collect(), wanted, true)
}

/// `pigeons` applications each need one of `holes` places, and a place holds one: with one pigeon too
/// many the classical hard case for solvers that learn by resolution.
pub fn pigeons(pigeons: usize, holes: usize) -> Family {
    let mut apps = Vec::new();
    for pigeon in 0..pigeons {
        for hole in 0..holes {
            let text = format!("versions: [{{version: 1}}]\nprovides: [place{pigeon}]\nclaims: [hole{hole}]");
            apps.push(app(&format!("in{pigeon}x{hole}"), &text));
        }
        let text = format!("versions: [{{version: 1}}]\nrequires: [place{pigeon}]");
        apps.push(app(&format!("pigeon{pigeon}"), &text));
    }
    let wanted = (0..pigeons).map(|pigeon| format!("pigeon{pigeon}"));
    family(format!("{pigeons} pigeons, {holes} holes"), apps, wanted, pigeons <= holes)
}

/// As [`pigeons`], but in a way that no counting sees: each comes in two versions that both need a place.
pub fn hidden(birds: usize, holes: usize) -> Family {
    let mut family = pigeons(birds, holes);
    for bird in 0..birds {
        let needs = format!("requires: [place{bird}]");
        let each = format!("versions: [{{version: 1, {needs}}}, {{version: 2, {needs}}}]");
        for text in &mut family.apps {
            *text = text.replace(&format!("versions: [{{version: 1}}]\n{needs}\n"), &format!("{each}\n"));
        }
    }
    family.name = format!("{birds} hidden pigeons, {holes} holes");
    family
}

/// As [`pigeons`], but the applications of a place exclude each other by name, pair by pair.
pub fn rivals(pigeons: usize, holes: usize) -> Family {
    let mut apps = Vec::new();
    for pigeon in 0..pigeons {
        for hole in 0..holes {
            let others: Vec<String> = (0..pigeon).map(|other| format!("in{other}x{hole}")).collect();
            let text = format!(
                "versions: [{{version: 1}}]\nprovides: [place{pigeon}]\nconflicts: [{}]",
                others.join(", ")
            );
            apps.push(app(&format!("in{pigeon}x{hole}"), &text));
        }
        let text = format!("versions: [{{version: 1}}]\nrequires: [place{pigeon}]");
        apps.push(app(&format!("pigeon{pigeon}"), &text));
    }
    let wanted = (0..pigeons).map(|pigeon| format!("pigeon{pigeon}"));
    family(format!("{pigeons} rivals, {holes} places"), apps, wanted, pigeons <= holes)
}

/// A chain of applications in which every version needs a higher one of the next: the end breaks it.
pub fn ladder(length: usize) -> Family {
    let apps = (0..length).map(|index| {
        let mut text = String::from("versions:\n");
        for version in 1..=20 {
            let last = index + 1 == length || version == 20;
            let need = if last { String::new() } else { format!("\"l{} >{version}\"", index + 1) };
            let _ = writeln!(text, "  - {{version: {version}, requires: [{need}]}}");
        }
        app(&format!("l{index}"), &text)
    });
    let wanted = (0..length).map(|index| format!("l{index} <{}", 19 - index % 2));
    family(format!("ladder of {length}"), apps.collect(), wanted, false)
}

/// A ring of applications with two versions each, of which neighbours must not both have the first.
pub fn ring(length: usize) -> Family {
    let apps = (0..length).map(|index| {
        let next = (index + 1) % length;
        let text = format!(
            "versions: [{{version: 1}}, {{version: 2, os: [debian 13]}}]\nconflicts: [\"r{next} 1\"]"
        );
        app(&format!("r{index}"), &text)
    });
    family(format!("ring of {length}"), apps.collect(), (0..length).map(|index| format!("r{index}")), true)
}

/// Applications with versions of which random pairs exclude each other: at the border between solvable
/// and not.
pub fn tangle(seed: u64, count: usize, versions: usize, pairs: usize) -> Family {
    let mut random = Random(seed);
    // What a version may not meet is told by a helper application that the version requires.
    let mut helpers: Vec<Vec<Vec<usize>>> = vec![vec![Vec::new(); versions]; count];
    for pair in 0..pairs {
        let (a, b) = (random.below(count), random.below(count));
        if a != b {
            let (of_a, of_b) = (random.below(versions), random.below(versions));
            helpers[a][of_a].push(pair);
            helpers[b][of_b].push(pair);
        }
    }
    let mut apps = Vec::new();
    for (index, of) in helpers.iter().enumerate() {
        let mut text = String::from("versions:\n");
        for (version, pairs) in of.iter().enumerate() {
            let needs: Vec<String> = pairs.iter().map(|pair| format!("h{index}x{pair}")).collect();
            let _ = writeln!(text, "  - {{version: {}, requires: [{}]}}", version + 1, needs.join(", "));
            for pair in pairs {
                let claims = format!("versions: [{{version: 1}}]\nclaims: [pair{pair}]");
                apps.push(app(&format!("h{index}x{pair}"), &claims));
            }
        }
        apps.push(app(&format!("t{index}"), &text));
    }
    apps.sort();
    apps.dedup();
    let wanted = (0..count).map(|index| format!("t{index}"));
    family(format!("tangle {seed} of {count}, {pairs} pairs"), apps, wanted, None)
}

/// Those that are hard, with up to 100 wanted applications.
pub fn hard() -> Vec<Family> {
    let mut all = Vec::new();
    all.extend((2..=10).map(|holes| pigeons(holes + 1, holes)));
    all.extend([10, 30, 60].map(|count| pigeons(count, count)));
    all.extend([30, 60].map(|holes| pigeons(holes + 1, holes)));
    all.extend((3..=8).map(|holes| rivals(holes + 1, holes)));
    all.extend([20, 100].map(ladder));
    all.extend([3, 50, 99, 100].map(ring));
    all.extend((1..=6).map(|seed| tangle(seed, 100, 3, 300 + 60 * usize::try_from(seed).unwrap_or(0))));
    all
}
