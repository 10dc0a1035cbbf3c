//! Finds the first rule that a request meets.
//!
//! A tree of paths for each host that rules name, part by part, and one for the rules that name none. So the time depends
//! on how long the path is and how many trees and `*` are in question, and not on how many rules there are.

use std::collections::HashMap;

use super::{Asked, HostPattern, PathPattern, RequestPath, Rule, letters::folded, path::Part};

/// No rule yet: later than every rule.
const NONE: u32 = u32::MAX;

/// The places of rules in their order, by host and path.
#[derive(Default)]
pub(super) struct Index {
    anywhere: Node,
    exactly: HashMap<Box<str>, Node>,
    below: HashMap<Box<str>, Node>,
}

/// Where the patterns with the same beginning go on.
#[derive(Default)]
struct Node {
    /// The first rule in here, so that what can only find later ones is not searched.
    first: Option<u32>,
    /// By the next part, folded.
    exactly: HashMap<Box<str>, Node>,
    any: Option<Box<Node>>,
    /// Rules whose pattern ends here, in their order.
    ends: Vec<u32>,
    /// Rules whose pattern takes whatever follows, in their order.
    open: Vec<u32>,
}

impl Index {
    pub(super) fn of(rules: &[Rule]) -> Self {
        let mut index = Self::default();
        let all = PathPattern { parts: Box::default(), open: true };
        for (rule, place) in rules.iter().zip(0..) {
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

    /// The place of the first rule that fits host and path by folded letters, and that `also` takes.
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
}

impl Node {
    /// Rules are added in their order.
    fn add(&mut self, pattern: &PathPattern, place: u32) {
        let mut node = self;
        node.first.get_or_insert(place);
        for part in &pattern.parts {
            node = match part {
                Part::Exactly(text) => node.exactly.entry(folded(text).into()).or_default(),
                Part::Any => node.any.get_or_insert_default(),
            };
            node.first.get_or_insert(place);
        }
        let places = if pattern.open { &mut node.open } else { &mut node.ends };
        if places.last() != Some(&place) {
            places.push(place);
        }
    }

    /// Makes `best` an earlier rule, if there is one in here. As deep as the longest pattern at most.
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

fn keep_earlier(places: &[u32], also: &impl Fn(u32) -> bool, best: &mut u32) {
    let earlier = places.iter().take_while(|place| **place < *best).find(|place| also(**place));
    *best = earlier.copied().unwrap_or(*best);
}
