//! Finds the first rule that matches a request.
//!
//! There is a tree of path segments for each host that rules name, and one for rules without hosts. So the time depends
//! on the length of the path and on the number of relevant trees and `*`, not on the number of rules.

use std::collections::HashMap;

use super::{Asked, HostPattern, PathPattern, RequestPath, Rule, path::Part};

/// No match: larger than every position.
const NONE: u32 = u32::MAX;

/// The positions of rules, by host and path.
#[derive(Default)]
pub(super) struct Index {
    anywhere: Node,
    exactly: HashMap<Box<str>, Node>,
    below: HashMap<Box<str>, Node>,
}

/// The patterns with a common beginning.
#[derive(Default)]
struct Node {
    /// The first rule in this subtree, to skip subtrees that contain only later rules.
    first: Option<u32>,
    /// The children by their segment, case-folded.
    exactly: HashMap<Box<str>, Node>,
    any: Option<Box<Node>>,
    /// Rules whose pattern ends here, in order.
    ends: Vec<u32>,
    /// Rules whose pattern matches any rest, in order.
    open: Vec<u32>,
}

impl Index {
    pub(super) fn of<'a>(rules: impl IntoIterator<Item = &'a Rule>) -> Self {
        let mut index = Self::default();
        let all = PathPattern::everything();
        for (rule, place) in rules.into_iter().zip(0..) {
            let paths = if rule.paths.is_empty() { std::slice::from_ref(&all) } else { &rule.paths };
            for path in paths {
                if rule.hosts.is_empty() {
                    index.anywhere.add(path, place);
                }
                for host in &rule.hosts {
                    let tree = match host {
                        HostPattern::Exactly(host) => index.exactly.entry(host.clone()).or_default(),
                        HostPattern::Below(host) => index.below.entry(host.clone()).or_default(),
                    };
                    tree.add(path, place);
                }
            }
        }
        index
    }

    /// The position of the first rule that matches the case-folded host and path and that `also` accepts.
    pub(super) fn first(&self, asked: &Asked<'_>, also: impl Fn(u32) -> bool) -> Option<u32> {
        let path = asked.path.as_ref().map(RequestPath::folded);
        let path = path.as_deref().filter(|path| !path.is_empty());
        let mut best = NONE;
        if let Some(host) = &asked.host {
            let host = host.as_str();
            if let Some(tree) = self.exactly.get(host) {
                tree.find(path, &also, &mut best);
            }
            if !self.below.is_empty() {
                for (point, _) in host.match_indices('.') {
                    if let Some(tree) = self.below.get(&host[point + 1..]) {
                        tree.find(path, &also, &mut best);
                    }
                }
            }
        }
        self.anywhere.find(path, &also, &mut best);
        Some(best).filter(|best| *best != NONE)
    }

    /// The positions before `end` of rules that have a host and a path that take all that this host, or any if there is
    /// none, and this path take. A position may come several times. A node and a position take one of `steps` each;
    /// None if there are too few.
    pub(super) fn covering(
        &self,
        host: Option<&HostPattern>,
        path: &PathPattern,
        end: u32,
        steps: &mut usize,
    ) -> Option<Vec<u32>> {
        let mut trees = vec![&self.anywhere];
        if let Some(HostPattern::Exactly(name) | HostPattern::Below(name)) = host {
            let own = if matches!(host, Some(HostPattern::Exactly(_))) { &self.exactly } else { &self.below };
            trees.extend(own.get(name));
            trees.extend(name.match_indices('.').filter_map(|(point, _)| self.below.get(&name[point + 1..])));
        }
        let mut search = Covering { open: path.open, end, found: Vec::new(), steps };
        trees.into_iter().try_for_each(|tree| search.look(tree, &path.parts))?;
        Some(search.found)
    }
}

impl Node {
    /// Rules must be added in their order.
    fn add(&mut self, pattern: &PathPattern, place: u32) {
        let mut node = self;
        node.first.get_or_insert(place);
        for part in &pattern.parts {
            node = match part {
                Part::Exactly(own) => node.exactly.entry(own.folded().into()).or_default(),
                Part::Any => node.any.get_or_insert_default(),
            };
            node.first.get_or_insert(place);
        }
        let places = if pattern.open { &mut node.open } else { &mut node.ends };
        if places.last() != Some(&place) {
            places.push(place);
        }
    }

    /// Lowers `best` to the first matching rule of this subtree, if that is earlier. The recursion is as deep as the
    /// longest pattern.
    fn find(&self, path: Option<&str>, also: &impl Fn(u32) -> bool, best: &mut u32) {
        if self.first.is_none_or(|first| first >= *best) {
            return;
        }
        keep_earlier(&self.open, also, best);
        let Some(path) = path else { return keep_earlier(&self.ends, also, best) };
        let (part, rest) = path.split_once('/').map_or((path, None), |(part, rest)| (part, Some(rest)));
        if let Some(node) = self.exactly.get(part) {
            node.find(rest, also, best);
        }
        if let Some(node) = &self.any {
            node.find(rest, also, best);
        }
    }
}

/// A search for the rules before `end` whose pattern takes every path that another pattern takes.
struct Covering<'a> {
    /// Whether the other takes any rest.
    open: bool,
    end: u32,
    found: Vec<u32>,
    steps: &'a mut usize,
}

impl Covering<'_> {
    /// Adds the positions in this subtree whose rest takes every path with these parts. None if steps are too few.
    fn look(&mut self, node: &Node, parts: &[Part]) -> Option<()> {
        *self.steps = self.steps.checked_sub(1)?;
        if node.first.is_none_or(|first| first >= self.end) {
            return Some(());
        }
        self.add(&node.open)?;
        let Some((part, rest)) = parts.split_first() else {
            return if self.open { Some(()) } else { self.add(&node.ends) };
        };
        if let Part::Exactly(own) = part
            && let Some(node) = node.exactly.get(own.folded())
        {
            self.look(node, rest)?;
        }
        node.any.as_deref().map_or(Some(()), |node| self.look(node, rest))
    }

    fn add(&mut self, places: &[u32]) -> Option<()> {
        for place in places.iter().take_while(|place| **place < self.end) {
            *self.steps = self.steps.checked_sub(1)?;
            self.found.push(*place);
        }
        Some(())
    }
}

fn keep_earlier(places: &[u32], also: &impl Fn(u32) -> bool, best: &mut u32) {
    let earlier = places.iter().take_while(|place| **place < *best).find(|place| also(**place));
    *best = earlier.copied().unwrap_or(*best);
}
