//! What it costs to find the rule that a request meets: `cargo bench --bench policy_match [-- RULES]`.
//!
//! The worst there is for a policy of a thousand rules: the last of them, and none at all. In three shapes: every rule
//! below one path, as the routes of one API are; every rule for a host of its own; and every rule with a `*` in the
//! middle, where both ways of the index must be searched. One thread.

#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::{hint::black_box, time::Instant};

use keyward::{
    config::policy::parse,
    domain::policy::{Asked, Host, Method, Policy, RequestPath},
};

const ROUNDS: usize = 300;
const BATCH: usize = 1_000;

/// A request as text.
type Request<'a> = (&'a str, &'a str, &'a str);

fn main() {
    let rules = std::env::args().filter_map(|word| word.parse().ok()).next().unwrap_or(1_000);
    println!("| {rules} rules | request | reading and finding, median | p99 of batches | finding alone, median |");
    println!("| --- | --- | --- | --- | --- |");
    let last = rules - 1;
    let api = |number| rule("", &format!("/v1/resources{number}/**"));
    let policy = policy(rules, api);
    report("below one path", "the last rule", &policy, ("GET", HOST, &format!("/v1/resources{last}/7/lines")));
    report("below one path", "none", &policy, ("GET", HOST, "/v1/nothing/7/lines"));
    report("below one path", "none, every letter escaped", &policy, ("GET", HOST, "/%76%31/%6eothing/%37/%6c%69nes"));

    let policy = self::policy(rules, |number| rule(&format!("h{number}.example.com"), "/orders/*"));
    report("a host each", "the last rule", &policy, ("GET", &format!("h{last}.example.com"), "/orders/7"));
    report("a host each", "none", &policy, ("GET", "other.example.com", "/orders/7"));

    let policy = self::policy(rules, |number| rule("*.example.com", &format!("/*/b/*/r{number}/*")));
    report("stars between", "the last rule", &policy, ("GET", HOST, &format!("/a/b/c/r{last}/d")));
    report("stars between", "none", &policy, ("GET", HOST, "/a/b/c/none/d"));
}

const HOST: &str = "api.example.com";

fn rule(host: &str, path: &str) -> String {
    let hosts = if host.is_empty() { String::new() } else { format!("hosts = [\"{host}\"]\n") };
    format!("[[rules]]\n{hosts}paths = [\"{path}\"]\nmethods = [\"GET\", \"POST\"]\nscopes_all = [\"a\"]\n")
}

fn policy(rules: usize, rule: impl Fn(usize) -> String) -> Policy {
    parse(&(0..rules).map(rule).collect::<String>(), None).expect("a policy")
}

fn asked<'a>((method, host, path): Request<'a>) -> Asked<'a> {
    Asked {
        method: Some(Method::parse(method).expect("a method")),
        host: Some(Host::parse(host).expect("a host")),
        path: Some(RequestPath::parse(path).expect("a path")),
    }
}

fn report(shape: &str, which: &str, policy: &Policy, request: Request<'_>) {
    let whole = nanos(|| {
        let _ = black_box(policy.first(&asked(black_box(request))));
    });
    let read = asked(request);
    let alone = nanos(|| {
        let _ = black_box(policy.first(black_box(&read)));
    });
    let at = |sorted: &[f64], share: f64| sorted[(sorted.len() as f64 * share) as usize];
    println!(
        "| {shape} | {which} | {:.0} ns | {:.0} ns | {:.0} ns |",
        at(&whole, 0.5),
        at(&whole, 0.99),
        at(&alone, 0.5)
    );
}

/// Nanoseconds each, by batches, sorted.
fn nanos(once: impl Fn()) -> Vec<f64> {
    let batch = |_| {
        let begin = Instant::now();
        (0..BATCH).for_each(|_| once());
        begin.elapsed().as_nanos() as f64 / BATCH as f64
    };
    let mut nanos: Vec<f64> = (0..ROUNDS).map(batch).collect();
    nanos.sort_by(f64::total_cmp);
    nanos
}
