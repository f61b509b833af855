//! `output`, and what only the whole image or project shows: names that collide, secrets, switches.

use std::collections::{HashMap, HashSet};

use super::operands::{Operands, Text, enumerate};
use super::profiles::Placed;
use super::shown::short;
use super::{Checker, ImageSpec, Output, Script, StepSpec};
use crate::diagnostic::{Applicability, Diagnostic, codes};
use crate::model::{Compression, DiskFormat, OutputFormat};
use crate::syntax::Keyword;
use crate::text::{Span, Spanned};

impl Checker<'_> {
    pub(super) fn output(&mut self, image: &mut ImageSpec, operands: &mut Operands<'_>) -> Option<()> {
        let text = self.scalar(operands, "a format, such as `qcow2`")?;
        let format = self.choice(
            &text,
            "a format of image files",
            &OutputFormat::ALL.map(|format| (format.as_str(), format)),
        );
        let given = self.options(operands);
        let name = given.value("name").map(|operand| {
            let text = self.scalar_value(operand, "a name in quotes")?;
            self.output_name(text.spanned())
        });
        let compression = given.value("compression").and_then(|operand| {
            let text = self.scalar_value(operand, "`zstd`, `zlib`, `fast` or `none`")?;
            self.choice(
                &text,
                "a compression",
                &[
                    ("zstd", Compression::Zstd),
                    ("zlib", Compression::Zlib),
                    ("fast", Compression::Fast),
                    ("none", Compression::None),
                ],
            )
        });
        let dynamic = given.value("subformat").and_then(|operand| {
            let text = self.scalar_value(operand, "`fixed` or `dynamic`")?;
            self.choice(&text, "a subformat", &[("fixed", false), ("dynamic", true)])
        });
        let format = format?.value;
        self.output_compression(&text, format, compression.as_ref());
        if let Some(dynamic) = dynamic.as_ref().filter(|_| format != DiskFormat::Vhd.into()) {
            self.report(
                Diagnostic::new(
                    codes::OPTION_CONFLICT,
                    format!("a `{}` file has no subformats", format.as_str()),
                )
                .label(dynamic.span, "only of `vhd`")
                .label(text.span, "the format")
                .help("`output vhd { subformat = dynamic }` is the one there is"),
            );
        }
        let dynamic = dynamic.is_some_and(|dynamic| dynamic.value);
        let span = operands.statement.span;
        let name = match name {
            Some(name) => name?,
            None => self.default_output_name(image, span)?,
        };
        if !format.takes_name(&name.value) {
            self.name_not_taken(&text, &name);
        }
        image.outputs.push(Output { span, format, name, compression, dynamic });
        Some(())
    }

    fn output_compression(
        &mut self,
        text: &Text,
        format: OutputFormat,
        compression: Option<&Spanned<Compression>>,
    ) {
        let Some(compression) = compression.filter(|compression| !format.holds(compression.value)) else {
            return;
        };
        self.report(
            Diagnostic::new(
                codes::OPTION_CONFLICT,
                format!("`{}` files cannot be compressed so", format.as_str()),
            )
            .label(compression.span, "not possible in this format")
            .label(text.span, "the format")
            .help(
                "`qcow2` takes `zstd`, `zlib`, `fast` and `none`, `vmdk` takes `zlib` and `none`, `gce` takes `zlib` and \
                 `fast`, and `ova` is always `zlib`",
            ),
        );
    }

    /// What Compute Engine would refuse is told before an hour of work is uploaded to it.
    fn name_not_taken(&mut self, format: &Text, name: &Spanned<String>) {
        let message = format!("Compute Engine takes no image named `{}`", short(&name.value));
        let mut diagnostic = Diagnostic::new(codes::GCE_NAME, message).label(name.span, "not a name there");
        if !name.span.touches(format.span.start) {
            diagnostic = diagnostic.label(format.span, "made for Compute Engine");
        }
        self.report(diagnostic.help(
            "name the output: 1 to 63 of `a-z 0-9 -`, a letter first and no hyphen last, such as \
             `output gce { name = \"web-2026-11\" }`",
        ));
    }

    fn output_name(&mut self, name: Spanned<String>) -> Option<Spanned<String>> {
        let problem = if name.value.is_empty() {
            "is empty"
        } else if name.value.len() > 255 {
            "is longer than 255 characters"
        } else if !name.value.bytes().all(|b| (b' '..=b'~').contains(&b)) {
            "has other than printable ASCII characters"
        } else if name.value.contains('/') {
            "has a `/`"
        } else if name.value.starts_with('.') {
            "starts with a dot"
        } else {
            return Some(name);
        };
        self.report(
            Diagnostic::new(codes::OUTPUT_NAME, format!("the name of this output {problem}"))
                .label(name.span, "not a name for an output")
                .help("1 to 255 printable ASCII characters, no `/`, no dot at the start"),
        );
        None
    }

    fn default_output_name(&mut self, image: &ImageSpec, place: Span) -> Option<Spanned<String>> {
        let name = &image.name;
        if super::names::is_plain_output(&name.value) {
            return Some(Spanned::new(name.value.clone(), place));
        }
        self.report(
            Diagnostic::new(
                codes::OUTPUT_NAME,
                format!("`{}` cannot be the name of an output", short(&name.value)),
            )
            .label(name.span, "has other characters than `A-Z a-z 0-9 . _ -`")
            .help("name the output: `output qcow2 { name = \"my-image\" }`"),
        );
        None
    }

    /// What can be said once all statements of an image were read.
    /// `perhaps_secrets`: something that was not understood may be a `secret`.
    pub(super) fn finish_image(
        &mut self,
        image: &mut ImageSpec,
        statements: &[Placed<'_>],
        perhaps_secrets: bool,
    ) {
        let said = statements.iter().any(|placed| self.keyword_of(placed.statement) == Some(Keyword::Output));
        if !said && let Some(name) = self.default_output_name(image, image.name.span) {
            image.outputs.push(Output {
                span: image.name.span,
                format: DiskFormat::Qcow2.into(),
                name,
                compression: None,
                dynamic: false,
            });
        }
        self.packages_conflict(image);
        self.archives_fit(image);
        self.copies_clash(image);
        self.early_owners(image);
        self.accounts_clash(image);
        if !perhaps_secrets {
            self.secrets_in_use(image);
        }
        self.switches(image);
        self.examine_pending(image);
    }

    fn secrets_in_use(&mut self, image: &ImageSpec) {
        let scripts: Vec<&Script> = scripts(image).collect();
        let names = || image.secrets.iter().map(|secret| secret.name.value.as_str());
        let declared: HashSet<&str> = names().collect();
        let wanted: HashSet<&str> =
            scripts.iter().flat_map(|script| &script.secrets).map(|wanted| wanted.value.as_str()).collect();
        for script in &scripts {
            for wanted in &script.secrets {
                if declared.contains(wanted.value.as_str()) {
                    continue;
                }
                let diagnostic = Diagnostic::new(
                    codes::UNKNOWN_SECRET,
                    format!("there is no secret `{}`", short(&wanted.value)),
                )
                .label(wanted.span, "not declared in this image");
                self.report(match self.names.suggester.nearest(&wanted.value, names()) {
                    Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(
                        Applicability::Maybe,
                        format!("write `{near}`"),
                        wanted.span,
                        near,
                    ),
                    None if declared.is_empty() => diagnostic
                        .help(format!("declare it: `secret {} from env VARIABLE`", short(&wanted.value))),
                    None => diagnostic.help(format!("secrets are {}", enumerate(names()))),
                });
            }
        }
        for secret in &image.secrets {
            if !wanted.contains(secret.name.value.as_str()) {
                let name = short(&secret.name.value);
                self.report(
                    Diagnostic::new(codes::UNUSED_SECRET, format!("no script asks for the secret `{name}`"))
                        .label(secret.name.span, "never handed out")
                        .help(format!("name it where it is needed: `script \"…\" {{ secrets = [{name}] }}`")),
                );
            }
        }
    }

    /// Each change between offline and booted scripts beyond the first costs another boot.
    fn switches(&mut self, image: &ImageSpec) {
        let mut previous: Option<&Script> = None;
        let mut switches = 0;
        for step in &image.steps {
            let StepSpec::Script(script) = step else { continue };
            if let Some(before) = previous.filter(|before| before.offline != script.offline) {
                switches += 1;
                if switches == 2 {
                    let (now, then) = (mode(script), mode(before));
                    self.report(
                        Diagnostic::new(
                            codes::MANY_SWITCHES,
                            "offline and booted scripts take turns, and each turn costs a boot",
                        )
                        .label(script.span, format!("{now} again"))
                        .label(before.span, then.to_string())
                        .help("write the offline scripts first, if their order allows it"),
                    );
                }
            }
            previous = Some(script);
        }
    }

    /// Outputs of the project that would be one file.
    pub(super) fn outputs_collide(&mut self, images: &[ImageSpec]) {
        let mut known: HashMap<String, (&ImageSpec, &Output)> = HashMap::new();
        for (image, output) in
            images.iter().flat_map(|image| image.outputs.iter().map(move |output| (image, output)))
        {
            let file = output.file_name();
            let Some((other, first)) = known.get(&file).copied() else {
                known.insert(file, (image, output));
                continue;
            };
            // That two images have one name is said of the names.
            if image.name.value == other.name.value && image.name.span != other.name.span {
                continue;
            }
            let mut diagnostic = Diagnostic::new(
                codes::OUTPUTS_COLLIDE,
                format!("two outputs would be the file `{}`", short(&file)),
            )
            .label(output.span, "written here");
            diagnostic = if output.span == first.span {
                // One statement of a profile that several images use.
                diagnostic
                    .label(image.name.span, "for this image")
                    .label(other.name.span, "and for this one")
                    .help("leave its name out, or let it differ: `name = \"${image}-…\"`")
            } else {
                diagnostic
                    .label(first.span, "and here")
                    .help("give one another name: `output qcow2 { name = \"…\" }`")
            };
            self.report(diagnostic);
        }
    }

    /// `base image` must name an image of the project, and not lead back to itself.
    /// `doubtful`: an image's name was not understood, so that one may be missing for that reason.
    pub(super) fn base_images(&mut self, images: &[ImageSpec], doubtful: bool) {
        let parent = |image: &ImageSpec| match &image.base.source {
            super::BaseSource::Image { name } => Some(name.clone()),
            _ => None,
        };
        let index: HashMap<&str, usize> =
            images.iter().enumerate().map(|(at, image)| (image.name.value.as_str(), at)).collect();
        let mut in_cycle = vec![false; images.len()];
        // 0: not seen, 1: on the way, 2: done.
        let mut state = vec![0u8; images.len()];
        for start in 0..images.len() {
            let mut way: Vec<usize> = Vec::new();
            let mut at = start;
            loop {
                if state[at] == 1 {
                    let from = way.iter().position(|&on_way| on_way == at).unwrap_or(0);
                    self.image_cycle(&way[from..], images);
                    way[from..].iter().for_each(|&member| in_cycle[member] = true);
                    break;
                }
                if state[at] == 2 {
                    break;
                }
                state[at] = 1;
                way.push(at);
                let Some(name) = parent(&images[at]) else { break };
                match index.get(name.value.as_str()) {
                    Some(&next) => at = next,
                    None => {
                        if !doubtful {
                            self.unknown_image(&name, images);
                        }
                        break;
                    }
                }
            }
            for seen in way {
                state[seen] = 2;
            }
        }
    }

    fn image_cycle(&mut self, cycle: &[usize], images: &[ImageSpec]) {
        let Some(&first) = cycle.first() else { return };
        let name = short(&images[first].name.value);
        let message = if cycle.len() == 1 {
            format!("the image `{name}` has itself as its base")
        } else {
            format!("the image `{name}` is, through others, its own base")
        };
        let mut diagnostic = Diagnostic::new(codes::IMAGE_CYCLE, message);
        for &member in cycle.iter().take(super::profiles::MOST_ON_THE_WAY) {
            let text = if member == first { "part of a circle" } else { "and so is this" };
            diagnostic = diagnostic.label(images[member].base.span, text);
        }
        self.report(
            diagnostic.help("one image of a chain starts from a base of the catalogue, such as `base auto`"),
        );
    }

    fn unknown_image(&mut self, name: &Spanned<String>, images: &[ImageSpec]) {
        let names = || images.iter().map(|image| image.name.value.as_str());
        let diagnostic = Diagnostic::new(
            codes::UNKNOWN_IMAGE,
            format!("there is no image `{}` in this project", short(&name.value)),
        )
        .label(name.span, "not declared");
        self.report(match self.names.suggester.nearest(&name.value, names()) {
            Some(near) => diagnostic.help(format!("did you mean `\"{near}\"`?")).fix(
                Applicability::Maybe,
                format!("write `\"{near}\"`"),
                name.span,
                format!("\"{near}\""),
            ),
            None => diagnostic.help(format!("images are {}", enumerate(names()))),
        });
    }
}

/// Every script of an image, its tests included.
pub(super) fn scripts(image: &ImageSpec) -> impl Iterator<Item = &Script> {
    let steps = image.steps.iter().filter_map(|step| match step {
        StepSpec::Script(script) => Some(script),
        _ => None,
    });
    steps.chain(image.tests.iter().map(|test| &test.script))
}

const fn mode(script: &Script) -> &'static str {
    if script.offline { "offline" } else { "booted" }
}
