//! Which image of a project stands on which, and so in what order they can be built.

use std::collections::BTreeMap;

use super::{BaseSource, ImagePlan};
use crate::check;

/// The images of a project by number, in the order in which they are written, each with the one its
/// `base image` names. There are no circles in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Graph {
    names: Vec<String>,
    parents: Vec<Option<usize>>,
}

/// Images that are each the base of the next, in a circle, each on the next and the last on the first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} are each the base of the next, in a circle", quoted(.0))]
pub struct Circle(pub Vec<String>);

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

impl Graph {
    /// A graph of images by name, each with the name of the one it stands on. One that stands on what
    /// is not in the list stands on nothing here: it is there already, or was complained of.
    pub fn new<'a>(images: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> Result<Self, Circle> {
        let (names, wanted): (Vec<&str>, Vec<Option<&str>>) = images.into_iter().unzip();
        let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
        for (number, name) in names.iter().enumerate() {
            numbers.entry(name).or_insert(number);
        }
        let parents = wanted.iter().map(|wanted| numbers.get(wanted.as_deref()?).copied()).collect();
        let graph = Self { names: names.iter().map(|name| (*name).to_owned()).collect(), parents };
        match graph.circle() {
            Some(circle) => Err(circle),
            None => Ok(graph),
        }
    }

    /// Of what an ImageFile declares.
    pub fn of_images(images: &[check::ImageSpec]) -> Result<Self, Circle> {
        Self::new(images.iter().map(|image| {
            let parent = match &image.base.source {
                check::BaseSource::Image { name } => Some(name.value.as_str()),
                _ => None,
            };
            (image.name.value.as_str(), parent)
        }))
    }

    /// Of what is planned.
    pub fn of_plans<'a>(plans: impl IntoIterator<Item = &'a ImagePlan>) -> Result<Self, Circle> {
        Self::new(plans.into_iter().map(|plan| {
            let parent = match &plan.base.source {
                BaseSource::Image { image, .. } => Some(image.as_str()),
                _ => None,
            };
            (plan.image.as_str(), parent)
        }))
    }

    /// How many images there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are no images.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// What the image is called; `None` if there is none of that number.
    #[must_use]
    pub fn name(&self, image: usize) -> Option<&str> {
        self.names.get(image).map(String::as_str)
    }

    /// The image that another stands on, if that is one of the graph.
    #[must_use]
    pub fn parent(&self, image: usize) -> Option<usize> {
        self.parents.get(image).copied().flatten()
    }

    /// The images that stand directly on one.
    pub fn children(&self, image: usize) -> impl Iterator<Item = usize> {
        (0..self.len()).filter(move |child| self.parent(*child) == Some(image))
    }

    /// An image and all it stands on: the lowest first, itself last.
    #[must_use]
    pub fn lineage(&self, image: usize) -> Vec<usize> {
        let mut lineage: Vec<usize> =
            std::iter::successors(Some(image), |image| self.parent(*image)).collect();
        lineage.reverse();
        lineage
    }

    /// Every image after the one it stands on, otherwise as written.
    #[must_use]
    pub fn order(&self) -> Vec<usize> {
        let mut order = Vec::with_capacity(self.len());
        let mut placed = vec![false; self.len()];
        for image in 0..self.len() {
            let not_placed = |image: &usize| !placed[*image];
            let way = std::iter::successors(Some(image).filter(not_placed), |image| {
                self.parent(*image).filter(not_placed)
            });
            let from = order.len();
            order.extend(way.collect::<Vec<_>>().into_iter().rev());
            order[from..].iter().for_each(|image| placed[*image] = true);
        }
        order
    }

    /// The images that can be built now, as written: not done themselves, and what they stand on is.
    #[must_use]
    pub fn ready(&self, done: impl Fn(usize) -> bool) -> Vec<usize> {
        let waits = |image: usize| self.parent(image).is_some_and(|parent| !done(parent));
        (0..self.len()).filter(|image| !done(*image) && !waits(*image)).collect()
    }

    /// The first circle that there is.
    fn circle(&self) -> Option<Circle> {
        // From which image each was met first: what was met from another was looked at.
        let mut met: Vec<Option<usize>> = vec![None; self.len()];
        for start in 0..self.len() {
            let mut path = Vec::new();
            let mut at = Some(start);
            while let Some(image) = at {
                match met[image] {
                    None => met[image] = Some(start),
                    Some(from) if from == start => {
                        let circle = path.iter().skip_while(|known| **known != image);
                        return Some(Circle(
                            circle.map(|image: &usize| self.names[*image].clone()).collect(),
                        ));
                    }
                    Some(_) => break,
                }
                path.push(image);
                at = self.parent(image);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(images: &[(&'static str, Option<&'static str>)]) -> Result<Graph, Circle> {
        Graph::new(images.iter().copied())
    }

    fn family() -> Graph {
        graph(&[
            ("web", Some("hardened")),
            ("alone", None),
            ("hardened", Some("common")),
            ("database", Some("hardened")),
            ("common", None),
            ("other", Some("not of this project")),
        ])
        .unwrap()
    }

    fn names(graph: &Graph, images: impl IntoIterator<Item = usize>) -> Vec<&str> {
        images.into_iter().map(|image| graph.name(image).unwrap()).collect()
    }

    #[test]
    fn every_image_comes_after_the_one_it_stands_on_and_otherwise_as_written() {
        let family = family();
        let order = family.order();
        assert_eq!(names(&family, order), ["common", "hardened", "web", "alone", "database", "other"]);
        assert_eq!(names(&family, family.lineage(0)), ["common", "hardened", "web"]);
        assert_eq!(names(&family, family.children(2)), ["web", "database"]);
        assert_eq!(Graph::default().order(), Vec::<usize>::new());
    }

    #[test]
    fn what_is_ready_needs_nothing_that_is_not_done() {
        let family = family();
        let mut done: Vec<usize> = Vec::new();
        let mut rounds = Vec::new();
        loop {
            let ready = family.ready(|image| done.contains(&image));
            if ready.is_empty() {
                break;
            }
            rounds.push(names(&family, ready.clone()).join(" "));
            done.extend(ready);
        }
        assert_eq!(rounds, ["alone common other", "hardened", "web database"]);
        assert_eq!(done.len(), family.len());
    }

    #[test]
    fn circles_are_told_by_their_members_only() {
        let told = |images| graph(images).unwrap_err().to_string();
        assert_eq!(told(&[("a", Some("a"))]), "`a` are each the base of the next, in a circle");
        let circle = [("tail", Some("a")), ("a", Some("b")), ("b", Some("c")), ("c", Some("a"))];
        assert_eq!(told(&circle), "`a`, `b`, `c` are each the base of the next, in a circle");
    }

    #[test]
    fn long_chains_are_no_trouble() {
        let names: Vec<String> = (0..2_000).map(|number| format!("i{number}")).collect();
        let parent = |number: usize| names.get(number + 1).map(String::as_str);
        let chain =
            Graph::new(names.iter().enumerate().map(|(number, name)| (name.as_str(), parent(number))));
        let chain = chain.unwrap();
        assert_eq!(chain.order().first(), Some(&1_999));
        assert_eq!(chain.ready(|_| false), [1_999]);
    }
}
