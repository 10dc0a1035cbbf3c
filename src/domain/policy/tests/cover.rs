//! Which rules no request gets to.

use super::{
    super::{letters::folded, path::Part},
    *,
};

#[test]
fn a_pattern_covers_what_takes_nothing_else() {
    let pattern = |text: &str| PathPattern::parse(text).expect("a pattern");
    let mut steps = usize::MAX;
    for (wide, covered, others) in [
        ("/**", &["/", "/a", "/*", "/a/**", "/**"][..], &[][..]),
        ("/c/**", &["/c", "/c/d", "/c/*", "/c/d/**", "/C/d"], &["/", "/*", "/d", "/**", "/*/d"]),
        ("/c/*", &["/c/d", "/c/*", "/c/D"], &["/c", "/c/d/e", "/c/**", "/c/d/**", "/*/d"]),
        ("/*/d", &["/c/d", "/*/d"], &["/c/*", "/*/*", "/c/d/**"]),
        ("/*/**", &["/c", "/c/d", "/*", "/c/**"], &["/", "/**"]),
        ("/orders", &["/orders", "/order\u{17f}"], &["/order", "/orders/**"]),
    ] {
        assert!(covered.iter().all(|other| pattern(wide).covers(&pattern(other), &mut steps)), "{wide}");
        assert!(!others.iter().any(|other| pattern(wide).covers(&pattern(other), &mut steps)), "{wide}");
    }
}

#[test]
fn a_rule_that_an_earlier_one_covers_in_every_condition_is_never_met() {
    let none: &[&str] = &[];
    for (earlier, later, is_met) in [
        (rule(none, &["/a"], none), rule(none, &["/a"], none), false),
        (rule(none, &["/c/**"], none), rule(none, &["/c/d"], &["POST"]), false),
        (rule(none, &["/c/**"], &["POST"]), rule(none, &["/c/d"], none), true),
        (rule(&["a.example.com"], none, none), rule(&["a.example.com"], &["/a"], none), false),
        (rule(&["*.example.com"], none, none), rule(&["a.example.com"], none, none), false),
        (rule(&["*.example.com"], none, none), rule(&["*.a.example.com"], none, none), false),
        (rule(&["*.example.com"], none, none), rule(&["example.com"], none, none), true),
        (rule(&["*.example.com"], none, none), rule(&["a.example.com", "b.example"], none, none), true),
        (rule(&["*.example.com"], none, none), rule(&["badexample.com"], none, none), true),
        (rule(&["a.example.com"], none, none), rule(&["*.example.com"], none, none), true),
        (rule(&["a.example.com"], none, none), rule(none, none, none), true),
        (rule(none, none, none), rule(&["a.example.com"], &["/a"], &["GET"]), false),
        (rule(none, &["/a", "/b"], none), rule(none, &["/b"], none), false),
        (rule(none, &["/a", "/b"], none), rule(none, &["/b", "/c"], none), true),
        (rule(none, &["/a", "/**"], none), rule(none, none, none), false),
        (rule(none, &["/a/**"], none), rule(none, none, none), true),
        (rule(none, none, &["GET"]), rule(none, none, &["HEAD"]), false),
        (rule(none, none, &["HEAD"]), rule(none, none, &["GET"]), true),
        (rule(none, none, &["GET", "POST"]), rule(none, none, &["HEAD", "POST"]), false),
        (rule(none, none, &["GET"]), rule(none, none, none), true),
        // Whatever meets the second meets the first by folding, and is refused.
        (rule(none, &["/Admin"], none), rule(none, &["/admin"], none), false),
    ] {
        assert_eq!(never_met(&[&earlier, &later]).is_empty(), is_met, "{earlier:?} before {later:?}");
    }
}

#[test]
fn in_the_largest_policy_whose_rules_share_most_paths_the_one_that_is_never_met_is_found() {
    let path = |number: usize| if number == 0 { "/a".to_owned() } else { format!("/shared/{number}") };
    let shared: Vec<String> = (0..PLACES_MAX / RULES_MAX - 1).map(path).collect();
    let of = |number: usize| {
        let own = format!("/own/{number}/**");
        let paths: Vec<&str> = shared.iter().map(String::as_str).chain([own.as_str()]).collect();
        Rule { line: number, ..rule(&[], &paths, &[]) }
    };
    let rules: Vec<Rule> = (0..RULES_MAX - 1).map(of).chain([Rule { line: RULES_MAX, ..of(5000) }]).collect();
    let never: Vec<_> =
        never_met(&rules.iter().collect::<Vec<_>>()).iter().map(|(rule, by)| (rule.line, by.line)).collect();
    assert_eq!(never, [(RULES_MAX, 5000)]);
}

/// The time is bounded by what is compared, whatever it is. Without an end, this would take minutes.
#[test]
fn a_policy_of_long_paths_in_any_script_that_rules_share_is_looked_through_in_bounded_time() {
    let path = |number: usize| format!("/{}{number}", "заказы/".repeat(5));
    let of = |own: usize| {
        let paths: Vec<String> = (0..PATTERNS_MAX).filter(|number| *number != own % PATTERNS_MAX).map(path).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        Rule { line: own, ..rule(&[], &paths, &[]) }
    };
    let rules: Vec<Rule> = (0..2 * PATTERNS_MAX).map(of).collect();
    // Those of a hundred rules further on are the same, and are found as far as the search gets.
    let rules: Vec<&Rule> = rules.iter().collect();
    assert!(never_met(&rules).iter().all(|(rule, by)| rule.line % PATTERNS_MAX == by.line));
}

/// The first rule that covers each, found by comparing all of them.
fn covered_one_by_one(rules: &[Rule]) -> Vec<(usize, usize)> {
    let first = |(place, rule): (usize, &Rule)| {
        rules[..place]
            .iter()
            .position(|earlier| earlier.covers(rule, &mut { usize::MAX }))
            .map(|earlier| (place, earlier))
    };
    rules.iter().enumerate().filter_map(first).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_no_request_gets_to_is_never_the_first(
        rules in rules(),
        parts in vec(select(WORDS.to_vec()), 0..5),
        host in select(vec!["a.test", "b.a.test", "c.b.a.test", "test", "other"]),
        method in select(vec!["GET", "HEAD", "POST", "PUT"]),
    ) {
        // The line tells which rule it is.
        let rules: Vec<Rule> = rules.into_iter().enumerate().map(|(line, rule)| Rule { line, ..rule }).collect();
        let never: Vec<_> = never_met(&rules.iter().collect::<Vec<_>>()).iter().map(|(rule, by)| (rule.line, by.line)).collect();
        prop_assert_eq!(&never, &covered_one_by_one(&rules));
        let path = format!("/{}", parts.join("/"));
        if let Ok((place, _)) = Policy::new(rules).first(&asked(method, host, &path)) {
            prop_assert!(never.iter().all(|(rule, _)| *rule != place), "{place} is met by {method} {host} {path}");
        }
    }

    /// A pattern takes a path with a segment that no pattern names for each `*`, and such segments at an open end. They
    /// stand for all of its paths.
    #[test]
    fn a_pattern_covers_another_if_and_only_if_it_takes_all_of_its_paths(
        one in patterns(),
        other in patterns(),
    ) {
        for (one, other) in one.iter().flat_map(|one| other.iter().map(move |other| (one, other))) {
            let (one, other) = (PathPattern::parse(one).expect("a pattern"), PathPattern::parse(other).expect("a pattern"));
            let own = other.parts.iter().map(|part| match part {
                Part::Exactly(own) => percent_encoded(&own.text),
                Part::Any => "unnamed".to_owned(),
            });
            let own: Vec<String> = own.collect();
            let longer = if other.open { one.parts.len() + 1 } else { 0 };
            let all = (0..=longer).all(|more| {
                let parts = [&own[..], &vec!["unnamed".to_owned(); more]].concat();
                let path = format!("/{}", parts.join("/"));
                let path = RequestPath::parse(&path).expect("a clear path");
                assert!(other.takes(&path), "{other:?} takes {path:?}");
                one.fits(&path, |own, part| folded(own) == folded(part))
            });
            prop_assert_eq!(one.covers(&other, &mut { usize::MAX }), all, "{:?} and {:?}", one, other);
        }
    }
}
