//! A plan as a graph, for programs that draw: Graphviz (`dot`) and Mermaid.
//!
//! A node is a state of a disk: a base, or what a step makes of the state before. Steps with one key are
//! one node, so that what images share shows; an image that is based on another hangs on its last step.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::plan::{BaseSource, ImagePlan, Key, Plan};

/// What is drawn, before it is anybody's syntax.
#[derive(Debug, Default)]
struct Graph {
    nodes: Vec<Node>,
    /// By number, from what comes first.
    edges: Vec<(usize, usize)>,
    states: BTreeMap<Key, usize>,
}

#[derive(Debug)]
struct Node {
    label: String,
    kind: Kind,
    /// The image it is drawn with; bases stand for themselves.
    image: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Base,
    Step,
    Test,
    Output,
}

impl Graph {
    fn of(plan: &Plan) -> Self {
        let mut graph = Self::default();
        for (number, image) in plan.images.iter().enumerate() {
            graph.add(number, image);
        }
        graph
    }

    fn add(&mut self, number: usize, image: &ImagePlan) {
        let base = image.base_key();
        let mut at = match self.states.get(&base) {
            Some(known) => *known,
            // An image based on one that is not drawn starts from its name.
            None => {
                let label = match &image.base.source {
                    BaseSource::Image { image, .. } => format!("image {image}"),
                    _ => format!("base {}", image.base.name),
                };
                let node = self.node(label, Kind::Base, None);
                self.states.insert(base, node);
                node
            }
        };
        for step in &image.steps {
            let known = self.states.get(&step.key).copied();
            let next = known.unwrap_or_else(|| {
                let node = self.node(step.name.clone(), Kind::Step, Some(number));
                self.states.insert(step.key, node);
                self.edges.push((at, node));
                node
            });
            at = next;
        }
        for output in &image.outputs {
            let node = self.node(output.file.clone(), Kind::Output, Some(number));
            self.edges.push((at, node));
        }
        for test in &image.tests {
            let node = self.node(format!("test {}", test.name), Kind::Test, Some(number));
            self.edges.push((at, node));
        }
    }

    fn node(&mut self, label: String, kind: Kind, image: Option<usize>) -> usize {
        self.nodes.push(Node { label, kind, image });
        self.nodes.len() - 1
    }

    /// The nodes of an image, or those of none, with their numbers.
    fn of_image(&self, image: Option<usize>) -> impl Iterator<Item = (usize, &Node)> {
        self.nodes.iter().enumerate().filter(move |(_, node)| node.image == image)
    }
}

/// For Graphviz: `imgfile plan --graph dot | dot -Tsvg`.
#[must_use]
pub fn dot(plan: &Plan) -> String {
    let graph = Graph::of(plan);
    let mut text = String::from("digraph plan {\n  rankdir = LR\n  node [shape = box, style = rounded]\n");
    let node = |text: &mut String, indent: &str, (number, node): (usize, &Node)| {
        let style = match node.kind {
            Kind::Base => ", shape = cylinder, style = solid",
            Kind::Step => "",
            Kind::Test => ", style = \"rounded,dashed\"",
            Kind::Output => ", shape = note, style = solid",
        };
        let _ = writeln!(text, "{indent}n{number} [label = {}{style}]", dot_quoted(&node.label));
    };
    graph.of_image(None).for_each(|one| node(&mut text, "  ", one));
    for (number, image) in plan.images.iter().enumerate() {
        let _ = writeln!(text, "  subgraph cluster_{number} {{");
        let _ = writeln!(text, "    label = {}", dot_quoted(&image.image));
        graph.of_image(Some(number)).for_each(|one| node(&mut text, "    ", one));
        text.push_str("  }\n");
    }
    for (from, to) in &graph.edges {
        let _ = writeln!(text, "  n{from} -> n{to}");
    }
    text.push_str("}\n");
    text
}

/// For Mermaid, which code hosts draw in Markdown.
#[must_use]
pub fn mermaid(plan: &Plan) -> String {
    let graph = Graph::of(plan);
    let mut text = String::from("flowchart LR\n");
    let node = |text: &mut String, indent: &str, (number, node): (usize, &Node)| {
        let (open, close) = match node.kind {
            Kind::Base => ("[(", ")]"),
            Kind::Step => ("(", ")"),
            Kind::Test => ("{{", "}}"),
            Kind::Output => ("[/", "/]"),
        };
        let _ = writeln!(text, "{indent}n{number}{open}{}{close}", mermaid_quoted(&node.label));
    };
    graph.of_image(None).for_each(|one| node(&mut text, "  ", one));
    for (number, image) in plan.images.iter().enumerate() {
        let _ = writeln!(text, "  subgraph i{number}[{}]", mermaid_quoted(&image.image));
        graph.of_image(Some(number)).for_each(|one| node(&mut text, "    ", one));
        text.push_str("  end\n");
    }
    for (from, to) in &graph.edges {
        let _ = writeln!(text, "  n{from} --> n{to}");
    }
    text
}

fn dot_quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', " "))
}

/// Mermaid knows no escapes but entities, and takes `#` for the start of one.
fn mermaid_quoted(text: &str) -> String {
    let escaped = text.replace('#', "#35;").replace('"', "#quot;").replace('<', "#lt;").replace('\n', " ");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Arch, Compression, DiskFormat},
        plan::{Action, BasePlan, Gate, MachinePlan, OsPlan, OutputPlan, PLAN_FORMAT, Stage, Step},
        text::Digest,
    };

    fn key(name: &str) -> Key {
        Key(Digest::of(name))
    }

    fn image(name: &str, source: BaseSource, steps: &[(&str, &str)]) -> ImagePlan {
        let step = |(name, state): &(&str, &str)| Step {
            name: (*name).to_owned(),
            stage: Stage::Booted,
            action: Action::Reboot,
            key: key(state),
            parts: Vec::new(),
            span: None,
        };
        ImagePlan {
            image: name.to_owned(),
            description: None,
            labels: BTreeMap::new(),
            os: OsPlan { distro: "debian".into(), version: "13".into() },
            arch: Arch::X86_64,
            base: BasePlan { name: "debian-13".into(), source, virtual_size: 1, firmware: Vec::new() },
            disk_size: 1,
            machine: MachinePlan { cpus: 1, memory_mib: 1 },
            network: true,
            user: "root".into(),
            steps: steps.iter().map(step).collect(),
            tests: Vec::new(),
            gate: Gate::default(),
            secrets: Vec::new(),
            outputs: vec![OutputPlan {
                file: format!("{name}.qcow2"),
                format: DiskFormat::Qcow2.into(),
                compression: Compression::Zstd,
                dynamic: false,
                appliance: None,
            }],
        }
    }

    /// Two images that share a step, and one on the second of them.
    fn family() -> Plan {
        let disk = || BaseSource::File { path: "d".into(), sha256: Digest::of("disk") };
        let below = BaseSource::Image { image: "b".into(), key: key("3") };
        let images = vec![
            image("a", disk(), &[("packages", "1"), ("script \"one\" #1", "2")]),
            image("b", disk(), &[("packages", "1"), ("clean up", "3")]),
            image("c", below, &[("clean up", "4")]),
        ];
        Plan { format: PLAN_FORMAT, images }
    }

    #[test]
    fn graphviz() {
        insta::assert_snapshot!(dot(&family()), @r#"
        digraph plan {
          rankdir = LR
          node [shape = box, style = rounded]
          n0 [label = "base debian-13", shape = cylinder, style = solid]
          subgraph cluster_0 {
            label = "a"
            n1 [label = "packages"]
            n2 [label = "script \"one\" #1"]
            n3 [label = "a.qcow2", shape = note, style = solid]
          }
          subgraph cluster_1 {
            label = "b"
            n4 [label = "clean up"]
            n5 [label = "b.qcow2", shape = note, style = solid]
          }
          subgraph cluster_2 {
            label = "c"
            n6 [label = "clean up"]
            n7 [label = "c.qcow2", shape = note, style = solid]
          }
          n0 -> n1
          n1 -> n2
          n2 -> n3
          n1 -> n4
          n4 -> n5
          n4 -> n6
          n6 -> n7
        }
        "#);
    }

    #[test]
    fn in_markdown() {
        insta::assert_snapshot!(mermaid(&family()), @r#"
        flowchart LR
          n0[("base debian-13")]
          subgraph i0["a"]
            n1("packages")
            n2("script #quot;one#quot; #35;1")
            n3[/"a.qcow2"/]
          end
          subgraph i1["b"]
            n4("clean up")
            n5[/"b.qcow2"/]
          end
          subgraph i2["c"]
            n6("clean up")
            n7[/"c.qcow2"/]
          end
          n0 --> n1
          n1 --> n2
          n2 --> n3
          n1 --> n4
          n4 --> n5
          n4 --> n6
          n6 --> n7
        "#);
    }
}
