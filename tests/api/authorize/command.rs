//! `keyward policy`.

use test_support::program::{Ended, Folder, bare, run};

const TAGS: &str = "KEYWARD__USAGE__TAGS";

const SHOP: &str = r#"
[[rules]]
paths = ["/health"]
anonymous = true

[[rules]]
hosts = ["api.example.com"]
paths = ["/orders/**"]
methods = ["GET"]
credentials = ["api_key"]
scopes_any = ["orders:read", "orders:write"]
environment = "live"
"#;

fn policy(policy: &str, arguments: &str) -> Ended {
    policy_with(&[], policy, arguments)
}

fn policy_with(env: &[(&str, &str)], policy: &str, arguments: &str) -> Ended {
    let folder = Folder::new();
    let file = folder.file("policy.toml", policy);
    let arguments = arguments.replace("FILE", &file);
    run(bare().envs(env.iter().copied()).arg("policy").args(arguments.split(' ')))
}

/// The answer to a question about the shop, and its exit code.
fn test(question: &str) -> (Option<i32>, String) {
    let ended = policy(SHOP, &format!("test --policy FILE {question}"));
    (ended.code, ended.stdout + &ended.stderr)
}

const ORDERS: &str = "--method GET --host api.example.com --path /orders/7";

#[test]
fn a_test_says_which_rule_is_met_and_what_it_demands() {
    let rule = "Rule 2 (line 6) is met. It demands an API key of the environment live, with one of the scopes \
                orders:read orders:write.\n";
    assert_eq!(test(ORDERS), (Some(0), rule.to_owned()));
    for (more, code, told) in [
        ("--credential api_key --scope orders:read", 0, "Let through.\n"),
        ("--credential api_key --scope other", 1, "Refused with 403: scopes are missing.\n"),
        ("--credential api_key", 1, "Refused with 403: scopes are missing.\n"),
        (
            "--credential api_key --environment test --scope orders:read",
            1,
            "Refused with 403: the key is of the other environment.\n",
        ),
        ("--credential token --scope orders:read", 1, "Refused with 403: another kind of credential is demanded.\n"),
        ("--credential none", 1, "Refused with 401: a credential is missing.\n"),
    ] {
        assert_eq!(test(&format!("{ORDERS} {more}")), (Some(code), format!("{rule}{told}")), "{more}");
    }
    let health =
        "Rule 1 (line 2) is met. It demands nothing: anybody is let through, though not with a bad credential.\n";
    let question = "--method GET --host any.example --path /health --credential none";
    assert_eq!(test(question), (Some(0), format!("{health}Let through.\n")));
}

#[test]
fn a_test_says_why_no_rule_is_met() {
    for (question, told) in [
        ("--method GET --host api.example.com --path /", "Refused with 403: it meets no rule.\n"),
        (
            "--method GET --host api.example.com --path /Orders",
            "Refused with 403: it meets a rule only when letters are taken for others, such as capitals for small ones, as some servers do.\n",
        ),
        (
            "--method GET --host api.example.com --path /orders/..",
            "Refused with 403: the path can be understood in more than one way.\n",
        ),
    ] {
        assert_eq!(test(question), (Some(1), told.to_owned()));
    }
}

#[test]
fn a_question_that_cannot_be_answered_has_a_code_of_its_own() {
    let (code, told) = test("--path /orders");
    assert_eq!((code, told.contains("give --host, --path and --method")), (Some(2), true), "{told}");
    assert_eq!(test(&format!("{ORDERS} --credential api_key --scope \"")).0, Some(2));
    assert_eq!(test(&format!("{ORDERS} --credential password")).0, Some(2));
    assert_eq!(test("--method").0, Some(2));
}

#[test]
fn a_check_says_all_that_is_wrong() {
    let good = policy(SHOP, "check FILE").succeeded();
    assert!(good.contains("2 rules, all of them good.") && good.contains("server.trusted_proxies"), "{good}");
    let bad = policy("[[rules]]\npath = []\nmethods = [\"get\"]\n", "check FILE");
    assert_eq!(bad.code, Some(2), "{bad:?}");
    for line in ["line 2: \"path\" is no member of a rule: did you mean paths?", "line 3: methods: \"get\""] {
        assert!(bad.stderr.contains(line), "{bad:?}");
    }
    let missing = policy("", "check /nowhere/policy.toml");
    assert_eq!((missing.code, missing.stderr.contains("cannot be read")), (Some(2), true), "{missing:?}");
}

#[test]
fn a_check_looks_at_tags_as_a_start_would_and_says_where_it_cannot() {
    let tagged = "[[rules]]\npaths = [\"/export\"]\ntag = \"export\"\n";
    for (tags, told) in [("search", "declares: search"), ("", "declares, and it declares none")] {
        let bad = policy_with(&[(TAGS, tags)], tagged, "check FILE");
        assert_eq!(bad.code, Some(2), "{bad:?}");
        assert!(bad.stderr.contains("line 3: tag must be one of those") && bad.stderr.contains(told), "{bad:?}");
    }
    let good = policy_with(&[(TAGS, "search,export")], tagged, "check FILE").succeeded();
    assert!(good.starts_with("1 rule, and it is good.\nIt looks at what a gateway tells, so "), "{good}");
    // What else is wrong with the configuration does not matter here, as long as it can be read.
    let unknown = policy_with(&[("KEYWARD__USAGE__TAG", "export")], tagged, "check FILE").succeeded();
    assert!(unknown.contains("Tags were not checked") && unknown.contains("KEYWARD__USAGE__TAG"), "{unknown}");
    let untagged = policy_with(&[("KEYWARD__USAGE__TAG", "export")], SHOP, "check FILE").succeeded();
    assert!(untagged.contains("They look at") && !untagged.contains("Tags"), "{untagged}");
}

/// The documentation's example is a policy, and says what the documentation says of it.
#[test]
fn the_example_in_the_documentation_is_a_policy() {
    let document = include_str!("../../../docs/policy.md");
    let (_, rest) = document.split_once("```toml\n").expect("an example");
    let (example, _) = rest.split_once("```").expect("its end");
    assert!(policy(example, "check FILE").succeeded().contains("5 rules"));
    for (question, code) in [
        ("--method GET --host any.example --path /health --credential none", 0),
        ("--method GET --host api.example.com --path /orders --credential token --scope orders:write", 0),
        ("--method DELETE --host api.example.com --path /orders/7 --credential api_key --scope orders:read", 1),
        ("--method GET --host acme.sandbox.example.com --path /x --credential api_key --environment test", 0),
        ("--method GET --host api.example.com --path /documents/7/download --credential api_key", 1),
    ] {
        let ended = policy(example, &format!("test --policy FILE {question}"));
        assert_eq!(ended.code, Some(code), "{question}: {ended:?}");
    }
}
