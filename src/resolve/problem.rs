//! The question put to the solver: candidates, wishes, values of options, claims.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::Value;

use super::{OptionInput, Preferences, Wanted, WantedApp, WantedBase};
use crate::catalog::{AppDef, AppVersion, BaseDef, Catalog, OptionDef, OptionValue, Template};
use crate::diagnostic::{Applicability, Diagnostic, codes};
use crate::model::Firmware;
use crate::text::{Requirement, Span, Version, nearest};

/// All options of an application with their values.
pub(super) type Options = BTreeMap<String, OptionValue>;

/// Something the ImageFile says that could be taken back: what conflict sets are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Statement {
    /// The distribution and its version.
    Os,
    Arch,
    Firmware,
    /// `base NAME`, `base file` and so on.
    Base,
    /// `--base NAME`
    Choice,
    /// An `app`, by its place in [`Wanted::apps`].
    App(usize),
}

/// A base as the solver sees it.
#[derive(Debug, Clone)]
pub(super) struct Candidate<'a> {
    /// None for a base from outside the catalogue.
    pub def: Option<&'a BaseDef>,
    pub distro: Option<&'a str>,
    /// None if nobody has looked yet: then versions are not held against it.
    pub version: Option<&'a Version>,
    pub arch: &'a str,
    /// Empty if unknown.
    pub firmware: &'a [Firmware],
}

/// One application of the catalogue, with what its options decide.
#[derive(Debug, Clone)]
pub(super) struct Item<'a> {
    pub def: &'a AppDef,
    pub options: Options,
    /// Rendered; a claim that cannot be rendered was reported and left out.
    pub claims: Vec<Claim>,
}

#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub text: String,
    /// Its number among all claims of the problem: equal texts, equal numbers.
    pub number: usize,
    /// Where the catalogue makes it.
    pub template: Template,
}

/// Two applications that exclude each other by name.
#[derive(Debug, Clone)]
pub(super) struct Exclusion {
    /// Which application's `conflicts`, and which of them.
    pub by: usize,
    pub entry: usize,
    /// The application it is about.
    pub target: usize,
}

/// Everything the solve looks at. Applications are numbered; so are their versions, oldest first.
#[derive(Debug, Clone)]
pub(super) struct Problem<'a> {
    pub catalog: &'a Catalog,
    pub wanted: &'a Wanted,
    pub preferences: &'a Preferences,
    /// Worst first.
    pub candidates: Vec<Candidate<'a>>,
    pub items: Vec<Item<'a>>,
    pub by_name: BTreeMap<&'a str, usize>,
    /// For each application the exclusions that it is part of.
    pub exclusions: Vec<Exclusion>,
    pub exclusions_of: Vec<Vec<usize>>,
    /// The text of each claim, by number.
    pub claims: Vec<String>,
    /// Names that applications provide, each with who answers to it, the most welcome last.
    pub provided: Vec<(&'a str, Vec<usize>)>,
    /// What the solve must satisfy, in the order of the ImageFile.
    pub statements: Vec<Statement>,
}

impl<'a> Problem<'a> {
    /// Sets the question up. Statements that make no sense by themselves are reported and left out
    /// of it, so that what is wrong with the others still shows.
    pub fn new(
        wanted: &'a Wanted,
        catalog: &'a Catalog,
        preferences: &'a Preferences,
        mistakes: &mut Vec<Diagnostic>,
    ) -> Self {
        let mut problem = Self {
            catalog,
            wanted,
            preferences,
            candidates: candidates(wanted, catalog, preferences),
            items: Vec::new(),
            by_name: BTreeMap::new(),
            exclusions: Vec::new(),
            exclusions_of: Vec::new(),
            claims: Vec::new(),
            provided: Vec::new(),
            statements: Vec::new(),
        };
        problem.add_items(mistakes);
        problem.number_claims();
        problem.add_provided();
        problem.add_exclusions();
        problem.add_statements(mistakes);
        problem
    }

    /// Numbers the applications that can come up at all: those wanted and what they may require.
    fn add_items(&mut self, mistakes: &mut Vec<Diagnostic>) {
        let mut queue: Vec<&'a str> =
            self.wanted.apps.iter().rev().map(|app| app.name.value.as_str()).collect();
        while let Some(name) = queue.pop() {
            let Some(def) = self.catalog.app(name) else { continue };
            if self.by_name.contains_key(def.name.value.as_str()) {
                continue;
            }
            self.by_name.insert(&def.name.value, self.items.len());
            let wanted = self.wanted.apps.iter().find(|app| app.name.value == name);
            let before = mistakes.len();
            let options = options(def, wanted, mistakes);
            // What an application with a wrong option claims is unknown: clashes on the default would
            // only be a consequence.
            let right = mistakes.len() == before && wanted.is_none_or(|app| !app.doubtful);
            let claims = if right { claims(def, &options, wanted, mistakes) } else { Vec::new() };
            self.items.push(Item { def, options, claims });
            let requires = def.requires.iter().chain(def.versions.iter().flat_map(|v| &v.requires));
            for require in requires {
                queue.extend(self.catalog.providers(&require.name).iter().map(String::as_str));
                queue.push(&require.name);
            }
        }
    }

    fn number_claims(&mut self) {
        let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
        for claim in self.items.iter_mut().flat_map(|item| &mut item.claims) {
            let next = numbers.len();
            claim.number = *numbers.entry(claim.text.clone()).or_insert(next);
        }
        let mut claims: Vec<(String, usize)> = numbers.into_iter().collect();
        claims.sort_by_key(|(_, number)| *number);
        self.claims = claims.into_iter().map(|(text, _)| text).collect();
    }

    /// An application answers to its own name too, if others provide it.
    fn add_provided(&mut self) {
        let mut names: BTreeMap<&'a str, Vec<usize>> = BTreeMap::new();
        for (index, item) in self.items.iter().enumerate() {
            for provided in &item.def.provides {
                names.entry(&provided.value).or_default().push(index);
            }
        }
        for (name, providers) in &mut names {
            providers.extend(self.by_name.get(name));
            providers.sort_by_key(|&app| {
                let name = &self.items[app].def.name.value;
                let wanted = self.wanted.apps.iter().any(|wanted| wanted.name.value == *name);
                (wanted, self.preferences.apps.contains_key(name), std::cmp::Reverse(name))
            });
            providers.dedup();
        }
        self.provided = names.into_iter().collect();
    }

    /// The number of a provided name.
    pub fn provided(&self, name: &str) -> Option<usize> {
        self.provided.binary_search_by_key(&name, |(known, _)| *known).ok()
    }

    fn add_exclusions(&mut self) {
        self.exclusions_of = vec![Vec::new(); self.items.len()];
        for by in 0..self.items.len() {
            for (entry, conflict) in self.items[by].def.conflicts.iter().enumerate() {
                let named = self.by_name.get(conflict.name.as_str()).copied();
                // A version is only ever that of the application itself, not of what it provides.
                let provided = self.provided(&conflict.name).filter(|_| conflict.requirement.is_any());
                let provided = provided.map(|number| self.provided[number].1.as_slice());
                let targets: BTreeSet<usize> =
                    named.into_iter().chain(provided.unwrap_or_default().iter().copied()).collect();
                for target in targets.into_iter().filter(|target| *target != by) {
                    self.exclusions_of[by].push(self.exclusions.len());
                    self.exclusions_of[target].push(self.exclusions.len());
                    self.exclusions.push(Exclusion { by, entry, target });
                }
            }
        }
    }

    fn add_statements(&mut self, mistakes: &mut Vec<Diagnostic>) {
        if self.wanted.os.is_some() {
            self.statements.push(Statement::Os);
        }
        self.statements.push(Statement::Arch);
        match &self.wanted.base {
            WantedBase::Auto | WantedBase::Unknown => {}
            WantedBase::Named { name, .. } if !self.has_base(&name.value) => {
                if !self.catalog.may_define(&name.value) {
                    mistakes.push(unknown_base(&name.value, Some(name.span), self));
                }
            }
            _ => self.statements.push(Statement::Base),
        }
        if self.wanted.firmware.is_some() {
            self.statements.push(Statement::Firmware);
        }
        if let Some(name) = &self.preferences.only_base {
            if matches!(self.wanted.base, WantedBase::Unknown) {
                // There is no telling whether the choice fits.
            } else if self.has_base(name) {
                self.statements.push(Statement::Choice);
            } else {
                mistakes.push(unknown_base(name, None, self));
            }
        }
        for (index, app) in self.wanted.apps.iter().enumerate() {
            match self.catalog.app(&app.name.value) {
                None if self.catalog.may_define(&app.name.value) => {}
                None => mistakes.push(unknown_app(app, self.catalog)),
                Some(def) => match no_such_version(app, def) {
                    Some(mistake) => mistakes.push(mistake),
                    None => self.statements.push(Statement::App(index)),
                },
            }
        }
    }

    /// The same question with one base to choose from, and only the applications to satisfy.
    pub fn with_only(&self, candidate: &Candidate<'a>) -> Self {
        let apps = self.statements.iter().copied().filter(|one| matches!(one, Statement::App(_)));
        Self { candidates: vec![candidate.clone()], statements: apps.collect(), ..self.clone() }
    }

    fn has_base(&self, name: &str) -> bool {
        self.catalog.bases().any(|def| def.name.value == name)
    }

    /// The application's number of a wanted one.
    pub fn item_of(&self, wanted: usize) -> Option<usize> {
        self.by_name.get(self.wanted.apps[wanted].name.value.as_str()).copied()
    }

    /// Whether a candidate is what the statement asks for.
    pub fn accepts(&self, statement: Statement, candidate: &Candidate<'_>) -> bool {
        match statement {
            Statement::Os => self.wanted.os.as_ref().is_none_or(|os| {
                let fits =
                    |wanted: &Requirement| candidate.version.is_none_or(|version| wanted.matches(version));
                candidate.distro.is_none_or(|distro| distro == os.distro.value)
                    && os.requirement.as_ref().is_none_or(|requirement| fits(&requirement.value))
            }),
            Statement::Arch => candidate.arch == self.wanted.arch.value.as_str(),
            Statement::Firmware => self.wanted.firmware.is_none_or(|firmware| {
                candidate.firmware.is_empty() || candidate.firmware.contains(&firmware.value)
            }),
            Statement::Base => match &self.wanted.base {
                WantedBase::Auto | WantedBase::Unknown => true,
                WantedBase::Named { name, requirement } => candidate.def.is_some_and(|def| {
                    def.name.value == name.value
                        && requirement.as_ref().is_none_or(|wanted| wanted.value.matches(&def.version.value))
                }),
                WantedBase::Given { .. } => candidate.def.is_none(),
            },
            Statement::Choice => {
                candidate.def.is_some_and(|def| Some(&def.name.value) == self.preferences.only_base.as_ref())
            }
            Statement::App(_) => true,
        }
    }

    /// Whether a version of an application runs on a candidate.
    pub fn runs_on(&self, version: &AppVersion, candidate: &Candidate<'_>) -> bool {
        let os = version.os.is_empty()
            || candidate.distro.is_none()
            || version.os.iter().any(|os| {
                candidate.distro == Some(os.distro.as_str())
                    && candidate.version.is_none_or(|version| os.requirement.matches(version))
            });
        let arch =
            version.arch.is_empty() || version.arch.iter().any(|arch| arch.value.as_str() == candidate.arch);
        let firmware = version.firmware.is_empty()
            || candidate.firmware.is_empty()
            || version.firmware.iter().any(|firmware| {
                candidate.firmware.contains(&firmware.value)
                    && self.wanted.firmware.is_none_or(|wanted| wanted.value == firmware.value)
            });
        os && arch && firmware
    }

    /// The numbers of a wanted application's versions that its requirement takes.
    pub fn acceptable(&self, wanted: usize, def: &AppDef) -> Vec<usize> {
        let requirement = self.wanted.apps[wanted].requirement.as_ref();
        matching(def, requirement.map(|requirement| &requirement.value))
    }

    /// The place of a statement; none for `--base`.
    pub fn place(&self, statement: Statement) -> Option<Span> {
        match statement {
            Statement::Os => self.wanted.os.as_ref().map(|os| match &os.requirement {
                Some(requirement) => os.distro.span.to(requirement.span),
                None => os.distro.span,
            }),
            Statement::Arch => Some(self.wanted.arch.span),
            Statement::Firmware => self.wanted.firmware.map(|firmware| firmware.span),
            Statement::Base => match &self.wanted.base {
                WantedBase::Auto | WantedBase::Unknown => None,
                WantedBase::Named { name, .. } | WantedBase::Given { name, .. } => Some(name.span),
            },
            Statement::Choice => None,
            Statement::App(index) => Some(self.wanted.apps[index].name.span),
        }
    }
}

/// The numbers of the versions that a requirement takes.
pub(super) fn matching(def: &AppDef, requirement: Option<&Requirement>) -> Vec<usize> {
    let takes =
        |version: &AppVersion| requirement.is_none_or(|wanted| wanted.matches(&version.version.value));
    def.versions.iter().enumerate().filter(|(_, version)| takes(version)).map(|(index, _)| index).collect()
}

/// All bases, worst first: the locked one is best, then proven ones, then newer systems.
fn candidates<'a>(
    wanted: &'a Wanted,
    catalog: &'a Catalog,
    preferences: &'a Preferences,
) -> Vec<Candidate<'a>> {
    let locked = |def: &BaseDef| {
        preferences
            .base
            .as_ref()
            .is_some_and(|(name, version)| *name == def.name.value && *version == def.version.value)
    };
    let mut all: Vec<Candidate<'a>> = catalog
        .bases()
        .map(|def| Candidate {
            def: Some(def),
            distro: Some(&def.os.distro),
            version: Some(&def.os.version),
            arch: def.arch.value.as_str(),
            firmware: &def.firmware,
        })
        .collect();
    all.sort_by(|a, b| match (a.def, b.def) {
        (Some(a), Some(b)) => locked(a)
            .cmp(&locked(b))
            .then(a.tier.cmp(&b.tier))
            .then_with(|| a.os.version.cmp(&b.os.version))
            .then_with(|| a.version.value.cmp(&b.version.value))
            .then_with(|| b.name.value.cmp(&a.name.value)),
        _ => std::cmp::Ordering::Equal,
    });
    let facts = match &wanted.base {
        WantedBase::Auto | WantedBase::Named { .. } => return all,
        WantedBase::Given { facts, .. } => facts.as_ref(),
        WantedBase::Unknown => {
            all.clear();
            None
        }
    };
    let os = wanted.os.as_ref();
    all.push(match facts {
        Some(facts) => Candidate {
            def: None,
            distro: Some(&facts.os.distro),
            version: Some(&facts.os.version),
            arch: &facts.arch,
            firmware: &facts.firmware,
        },
        // Until somebody looks, the base is taken to be what the ImageFile says.
        None => Candidate {
            def: None,
            distro: os.map(|os| os.distro.value.as_str()),
            version: os.and_then(|os| os.requirement.as_ref()).and_then(|wanted| wanted.value.named()),
            arch: wanted.arch.value.as_str(),
            firmware: &[],
        },
    });
    all
}

/// Values of all options: those given, read by their declarations, and defaults.
fn options(def: &AppDef, wanted: Option<&WantedApp>, mistakes: &mut Vec<Diagnostic>) -> Options {
    let mut values: Options = def
        .options
        .iter()
        .filter_map(|option| Some((option.name.value.clone(), option.default.clone()?)))
        .collect();
    let Some(wanted) = wanted else { return values };
    if let Some(inherited) = &wanted.inherited {
        return inherited.clone();
    }
    for given in &wanted.options {
        let Some(option) = def.options.iter().find(|option| option.name.value == given.name.value) else {
            mistakes.push(unknown_option(def, &given.name.value, given.name.span));
            continue;
        };
        let (result, blamed) = match &given.value.value {
            OptionInput::Scalar(text) => (option.kind.read(text), given.value.span),
            OptionInput::List(items) => {
                let result = option.kind.read_list(items.iter().map(|item| item.value.as_str()));
                let at = result.as_ref().err().and_then(|(index, _)| *index);
                (result.map_err(|(_, text)| text), at.map_or(given.value.span, |index| items[index].span))
            }
        };
        match result {
            Ok(value) => _ = values.insert(option.name.value.clone(), value),
            Err(expected) => mistakes.push(bad_option(def, option, &expected, blamed)),
        }
    }
    for option in &def.options {
        let given = wanted.options.iter().any(|given| given.name.value == option.name.value);
        if option.default.is_none() && !given && !wanted.doubtful {
            let name = &option.name.value;
            mistakes.push(
                Diagnostic::new(
                    codes::MISSING_OPTION,
                    format!("`{}` needs a value for `{name}`", def.name.value),
                )
                .label(wanted.name.span, format!("`{name}` is missing"))
                .label(option.name.span, format!("declared here, {}", option.kind.words()))
                .help(format!("add it: `app {} {{ {name} = … }}`", def.name.value)),
            );
        }
    }
    values
}

fn claims(
    def: &AppDef,
    options: &Options,
    wanted: Option<&WantedApp>,
    mistakes: &mut Vec<Diagnostic>,
) -> Vec<Claim> {
    if def.claims.is_empty() {
        return Vec::new();
    }
    let mut context: BTreeMap<&str, Value> =
        options.iter().map(|(name, value)| (name.as_str(), Value::from(value))).collect();
    context.insert("name", Value::from(def.name.value.as_str()));
    let context = Value::from_pairs(context);
    let mut claims: Vec<Claim> = Vec::new();
    for template in &def.claims {
        match template.render(&context) {
            Ok(text) if claims.iter().any(|claim| claim.text == text) => {}
            Ok(text) => claims.push(Claim { text, number: 0, template: template.clone() }),
            Err(error) => mistakes.push(mistake(def, wanted, &error)),
        }
    }
    claims
}

fn unknown_app(app: &WantedApp, catalog: &Catalog) -> Diagnostic {
    let name = &app.name.value;
    let mut diagnostic =
        Diagnostic::new(codes::UNKNOWN_APP, format!("the catalogue has no application `{name}`"))
            .label(app.name.span, "unknown application");
    let providers = catalog.providers(name);
    if !providers.is_empty() {
        let names: Vec<_> = providers.iter().map(|name| format!("`{name}`")).collect();
        return diagnostic.help(format!("`{name}` is provided by {}: choose one", names.join(", ")));
    }
    let mut meant = catalog.apps().filter(|def| def.also_called.iter().any(|called| called.value == *name));
    if let Some(def) = meant.next() {
        let own = &def.name.value;
        return diagnostic.help(format!("here it is called `{own}`: {}", def.summary)).fix(
            Applicability::Maybe,
            format!("write `{own}`"),
            app.name.span,
            own.clone(),
        );
    }
    if let Some(near) = nearest(name, catalog.apps().map(|def| def.name.value.as_str())) {
        diagnostic = diagnostic.help(format!("did you mean `{near}`?")).fix(
            Applicability::Maybe,
            format!("write `{near}`"),
            app.name.span,
            near,
        );
    } else {
        diagnostic = diagnostic
            .help(format!("a package without configuration needs no application: `packages [\"{name}\"]`"));
    }
    diagnostic
}

fn unknown_base(name: &str, span: Option<Span>, problem: &Problem<'_>) -> Diagnostic {
    let known: BTreeSet<&str> = problem.catalog.bases().map(|def| def.name.value.as_str()).collect();
    let message = format!("the catalogue has no base `{name}`");
    let diagnostic = match span {
        Some(span) => Diagnostic::new(codes::UNKNOWN_BASE, message).label(span, "unknown base"),
        None => Diagnostic::new(codes::UNKNOWN_BASE, message)
            .label(problem.wanted.image.span, "chosen with `--base` for this image")
            .of_call(),
    };
    // `base debian 13`, as `os` has it.
    let version = match &problem.wanted.base {
        WantedBase::Named { requirement, .. } => requirement.as_ref(),
        _ => None,
    };
    let whole =
        version.map(|version| format!("{name}-{}", version.value.to_string().trim_start_matches(['^', '='])));
    let whole = whole.and_then(|whole| known.iter().copied().find(|known| *known == whole));
    if let Some(whole) = whole {
        return diagnostic.help(format!("did you mean `{whole}`?"));
    }
    match (nearest(name, known.iter().copied()), span) {
        (Some(near), Some(span)) => diagnostic.help(format!("did you mean `{near}`?")).fix(
            Applicability::Maybe,
            format!("write `{near}`"),
            span,
            near,
        ),
        (Some(near), None) => diagnostic.help(format!("did you mean `{near}`?")),
        (None, Some(_)) => diagnostic.help(format!(
            "`imgfile bases` lists them; another image of this project is `base image \"{name}\"`"
        )),
        (None, None) => diagnostic.help("`imgfile bases` lists them"),
    }
}

fn no_such_version(app: &WantedApp, def: &AppDef) -> Option<Diagnostic> {
    let requirement = app.requirement.as_ref()?;
    if !matching(def, Some(&requirement.value)).is_empty() {
        return None;
    }
    let versions: Vec<_> = def.versions.iter().rev().map(|v| v.version.value.to_string()).collect();
    Some(
        Diagnostic::new(
            codes::NO_SUCH_VERSION,
            format!("no version of `{}` is `{}`", app.name.value, requirement.value),
        )
        .label(requirement.span, "no version fits this")
        .help(format!("the catalogue has {}", versions.join(", "))),
    )
}

fn unknown_option(def: &AppDef, name: &str, span: Span) -> Diagnostic {
    let known = || def.options.iter().map(|option| option.name.value.as_str());
    let diagnostic =
        Diagnostic::new(codes::UNKNOWN_OPTION, format!("`{}` has no option `{name}`", def.name.value))
            .label(span, "unknown option");
    if let Some(near) = nearest(name, known()) {
        return diagnostic.help(format!("did you mean `{near}`?")).fix(
            Applicability::Maybe,
            format!("write `{near}`"),
            span,
            near,
        );
    }
    let known: Vec<_> = known().collect();
    diagnostic.help(if known.is_empty() {
        format!("`{}` has no options", def.name.value)
    } else {
        format!("its options are {}", known.join(", "))
    })
}

fn bad_option(def: &AppDef, option: &OptionDef, expected: &str, span: Span) -> Diagnostic {
    Diagnostic::new(
        codes::BAD_OPTION,
        format!("this is not a value for `{}` of `{}`", option.name.value, def.name.value),
    )
    .label(span, expected)
    .label(option.name.span, format!("declared here, {}", option.kind.words()))
}

/// A template that fails with these options: the catalogue's place, and the statement's.
pub(super) fn mistake(
    def: &AppDef,
    wanted: Option<&WantedApp>,
    error: &crate::catalog::TemplateError,
) -> Diagnostic {
    let message = format!("a template of `{}` cannot be rendered: {}", def.name.value, error.message);
    let diagnostic = Diagnostic::new(codes::CATALOG_TEMPLATE, message).label(error.span, "fails here");
    match wanted {
        Some(wanted) => diagnostic.label(wanted.name.span, "with the options given here"),
        None => diagnostic,
    }
}
