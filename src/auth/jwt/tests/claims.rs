use super::*;

fn judged_claim(name: &str, value: Value) -> Result<(String, String), TokenFault> {
    judged_claims(&settings(), &good_with(name, value))
}

#[test]
fn a_token_without_exp_is_refused() {
    assert_eq!(judged_claims(&settings(), &json!({ "sub": "alice" })), Err(TokenFault::ExpiryMissing));
}

#[test]
fn a_date_is_a_number_of_seconds_up_to_the_year_9999_rfc_7519_section_2() {
    let soon = NOW_SECONDS + HOUR;
    for name in ["exp", "nbf", "iat"] {
        for bad in [
            json!(soon.to_string()),
            json!("2026-11-23T13:00:00Z"),
            json!(null),
            json!(true),
            json!([soon]),
            json!({ "seconds": soon }),
            json!(-1),
            json!(-0.5),
            json!(1e300),
            json!(u64::MAX),
            json!(i64::MIN),
            json!(253_402_300_800_i64),
        ] {
            assert_eq!(judged_claim(name, bad.clone()), Err(TokenFault::Malformed), "{name} {bad}");
        }
    }
}

#[test]
fn numbers_that_are_no_numbers_are_refused() {
    for exp in ["1e999", "-1e999", "NaN", "Infinity", "0x7fffffff", "01795469372", "+1795469372", ".5", "1."] {
        let token = signed(HEADER, &format!(r#"{{"sub":"alice","exp":{exp}}}"#));
        assert_eq!(judged(&settings(), &token), Err(TokenFault::Malformed), "{exp}");
    }
}

#[test]
fn a_fractional_exp_is_accepted_until_it_is_reached() {
    let strict = Jwt { leeway: Duration::ZERO, ..settings() };
    let now = NOW_SECONDS as f64;
    assert_eq!(judged_claims(&strict, &good_with("exp", json!(now + 0.5))), accepted("alice"));
    assert_eq!(judged_claims(&strict, &good_with("exp", json!(now - 0.5))), Err(TokenFault::Expired));
    assert_eq!(judged_claims(&strict, &good_with("exp", json!(now))), Err(TokenFault::Expired));
}

#[test]
fn at_or_after_exp_and_leeway_a_token_is_refused() {
    assert_eq!(judged_claim("exp", json!(NOW_SECONDS - 29)), accepted("alice"));
    assert_eq!(judged_claim("exp", json!(NOW_SECONDS - 30)), Err(TokenFault::Expired));
    assert_eq!(judged_claim("exp", json!(NOW_SECONDS - 31)), Err(TokenFault::Expired));
    assert_eq!(judged_claim("exp", json!(0)), Err(TokenFault::Expired));
}

#[test]
fn nbf_and_iat_in_the_future_are_refused_beyond_the_leeway() {
    for (name, fault) in [("nbf", TokenFault::NotYetValid), ("iat", TokenFault::IssuedInFuture)] {
        assert_eq!(judged_claim(name, json!(NOW_SECONDS - HOUR)), accepted("alice"), "{name}");
        assert_eq!(judged_claim(name, json!(NOW_SECONDS + 30)), accepted("alice"), "{name}");
        assert_eq!(judged_claim(name, json!(NOW_SECONDS + 31)), Err(fault), "{name}");
    }
}

#[test]
fn a_far_exp_is_refused() {
    let day = 24 * HOUR;
    assert_eq!(judged_claim("exp", json!(NOW_SECONDS + day)), accepted("alice"));
    for exp in [NOW_SECONDS + day + 31, NOW_SECONDS + 365 * day, 253_402_300_799] {
        assert_eq!(judged_claim("exp", json!(exp)), Err(TokenFault::LifetimeTooLong), "{exp}");
    }
    let billion_years = NOW_SECONDS + 1_000_000_000 * 365 * day;
    assert_eq!(judged_claim("exp", json!(billion_years)), Err(TokenFault::Malformed));
}

#[test]
fn a_token_that_was_issued_for_too_long_is_refused_to_its_end() {
    let with_dates = |iat: i64, exp: i64| {
        let claims = json!({ "sub": "alice", "iat": NOW_SECONDS + iat, "exp": NOW_SECONDS + exp });
        judged_claims(&settings(), &claims)
    };
    assert_eq!(with_dates(-23 * HOUR, HOUR), accepted("alice"));
    assert_eq!(with_dates(-24 * HOUR, HOUR), Err(TokenFault::LifetimeTooLong));
    assert_eq!(with_dates(20, 24 * HOUR + 31), Err(TokenFault::LifetimeTooLong), "an iat ahead of us buys nothing");
}

#[test]
fn no_token_of_now_is_accepted_after_the_longest_life_and_one_is_until_then() {
    let settings = settings();
    let verifier = TokenVerifier::new(&settings, &HashMap::new()).expect("usable keys");
    let longest_life = verifier.lives().longest("").expect("tokens without an issuer are accepted");
    let leeway = settings.leeway.as_secs() as i64;
    // The latest dates that a replica may accept.
    let issued_at = NOW_SECONDS + leeway;
    let expiry = issued_at + settings.max_lifetime.as_secs() as i64 + leeway;
    let judged = |iat: i64, exp: i64, now: OffsetDateTime| {
        let token = signed(HEADER, &json!({ "sub": "alice", "iat": iat, "exp": exp }).to_string());
        let verified = verifier.verify(token.as_bytes(), now).now_or_never().expect("an answer at once");
        verified.expect("a decision").map(drop)
    };
    let end = NOW + longest_life;
    let last = end - Duration::from_secs(1);
    assert_eq!(judged(issued_at, NOW_SECONDS + HOUR, NOW), Ok(()));
    assert_eq!(judged(issued_at + 1, NOW_SECONDS + HOUR, NOW), Err(TokenFault::IssuedInFuture));
    assert_eq!(judged(issued_at, expiry, last), Ok(()));
    assert_eq!(judged(issued_at, expiry, end), Err(TokenFault::Expired));
    assert_eq!(judged(issued_at, expiry + 1, last), Err(TokenFault::LifetimeTooLong));
}

#[test]
fn sub_is_text_that_is_not_empty_and_can_be_stored() {
    assert_eq!(judged_claim("sub", json!("x".repeat(1024))), accepted(&"x".repeat(1024)));
    assert_eq!(judged_claim("sub", json!("ünï 💥 ' \" \\ \u{202e}")), accepted("ünï 💥 ' \" \\ \u{202e}"));
    let no_sub = json!({ "exp": NOW_SECONDS + HOUR });
    assert_eq!(judged_claims(&settings(), &no_sub), Err(TokenFault::Subject));
    for bad in [json!(""), json!(1), json!(null), json!(["alice"]), json!({}), json!("a\0b"), json!("x".repeat(1025))] {
        assert_eq!(judged_claim("sub", bad.clone()), Err(TokenFault::Subject), "{bad:.40}");
    }
}

#[test]
fn a_configured_issuer_must_be_met_exactly_rfc_7519_section_4_1_1() {
    let configured = Jwt { issuer: Some("https://issuer.example".to_owned()), ..settings() };
    let expected = Ok(("https://issuer.example".to_owned(), "alice".to_owned()));
    assert_eq!(judged_claims(&configured, &good_with("iss", json!("https://issuer.example"))), expected);
    assert_eq!(judged_claims(&configured, &good()), Err(TokenFault::Issuer));
    for bad in [
        json!("https://issuer.example/"),
        json!("HTTPS://issuer.example"),
        json!(" https://issuer.example"),
        json!(""),
        json!(null),
        json!(["https://issuer.example"]),
    ] {
        assert_eq!(judged_claims(&configured, &good_with("iss", bad.clone())), Err(TokenFault::Issuer), "{bad}");
    }
}

#[test]
fn where_no_issuer_is_configured_iss_still_is_part_of_who_it_is() {
    assert_eq!(judged_claim("iss", json!("a")), Ok(("a".to_owned(), "alice".to_owned())));
    for bad in [json!(1), json!(null), json!(["a"]), json!("a\0"), json!("x".repeat(1025))] {
        assert_eq!(judged_claim("iss", bad.clone()), Err(TokenFault::Issuer), "{bad:.40}");
    }
}

#[test]
fn aud_as_text_or_list_must_hold_us_rfc_7519_section_4_1_3() {
    let configured = Jwt { audience: vec!["keyward".to_owned(), "kw".to_owned()], ..settings() };
    for good in [json!("keyward"), json!("kw"), json!(["keyward"]), json!(["other", "kw"])] {
        assert_eq!(judged_claims(&configured, &good_with("aud", good.clone())), accepted("alice"), "{good}");
    }
    assert_eq!(judged_claims(&configured, &good()), Err(TokenFault::Audience), "no aud");
    for bad in [
        json!("other"),
        json!("Keyward"),
        json!("keyward,kw"),
        json!([]),
        json!(["other"]),
        json!([["kw"]]),
        json!(""),
        json!(null),
        json!(1),
        json!({ "kw": 1 }),
    ] {
        assert_eq!(judged_claims(&configured, &good_with("aud", bad.clone())), Err(TokenFault::Audience), "{bad}");
    }
}

#[test]
fn a_token_for_an_audience_is_refused_where_none_is_configured() {
    for aud in [json!("anyone"), json!(["anyone"]), json!([]), json!(""), json!(null)] {
        assert_eq!(judged_claim("aud", aud.clone()), Err(TokenFault::Audience), "{aud}");
    }
}

#[test]
fn scope_is_a_list_of_scopes_rfc_8693_section_4_2() {
    for good in [json!("orders:read orders:write"), json!(["orders:read"]), json!(""), json!([])] {
        assert_eq!(judged_claim("scope", good.clone()), accepted("alice"), "{good}");
    }
    let too_many = (0..101).map(|number| format!("s{number}")).collect::<Vec<_>>();
    for bad in [
        json!(1),
        json!(null),
        json!({ "a": 1 }),
        json!(["a", 1]),
        json!(["a b"]),
        json!("a\tb"),
        json!("\"a\""),
        json!("é"),
        json!("a\0"),
        json!("x".repeat(129)),
        json!(too_many),
    ] {
        assert_eq!(judged_claim("scope", bad.clone()), Err(TokenFault::Scopes), "{bad:.40}");
    }
}

#[test]
fn a_repeated_claim_is_refused_rfc_7519_section_4() {
    let exp = NOW_SECONDS + HOUR;
    for claims in [
        format!(r#"{{"sub":"alice","sub":"bob","exp":{exp}}}"#),
        format!(r#"{{"sub":"alice","exp":{exp},"exp":{exp}}}"#),
        format!(r#"{{"sub":"alice","\u0073ub":"bob","exp":{exp}}}"#),
        format!(r#"{{"sub":"alice","exp":{exp},"x":1,"x":1}}"#),
        format!(r#"{{"sub":"alice","exp":{exp},"x":{{"y":[{{"z":1,"z":1}}]}}}}"#),
    ] {
        assert_eq!(judged(&settings(), &signed(HEADER, &claims)), Err(TokenFault::Malformed), "{claims}");
    }
}

#[test]
fn claims_that_are_no_json_object_are_refused() {
    let deep = format!(r#"{{"sub":"alice","x":{}"#, "[".repeat(100_000));
    for claims in ["", "null", "[]", "1", r#""alice""#, "{", "\0", "{}\0", "It’s a dangerous business", deep.as_str()]
    {
        assert_eq!(judged(&settings(), &signed(HEADER, claims)), Err(TokenFault::Malformed), "{claims:.40}");
    }
}

#[test]
fn where_keys_belong_to_organisations_the_claim_names_the_owner_and_the_subject_stays_the_bearer() {
    let tenants = Jwt { tenant_claim: Some("org".parse().expect("a path")), ..settings() };
    assert_eq!(judged_claims(&tenants, &good_with("org", json!("acme"))), accepted("acme"));
    for bad in [
        json!(null),
        json!(""),
        json!(1),
        json!(["acme"]),
        json!({ "id": "acme" }),
        json!("a\0"),
        json!("x".repeat(1025)),
    ] {
        assert_eq!(judged_claims(&tenants, &good_with("org", bad.clone())), Err(TokenFault::Tenant), "{bad:.40}");
    }
    assert_eq!(judged_claims(&tenants, &good()), Err(TokenFault::Tenant));
    let mut nobody = good_with("org", json!("acme"));
    nobody["sub"] = json!("");
    assert_eq!(judged_claims(&tenants, &nobody), Err(TokenFault::Subject));
    // Without such a setting, the claim has no meaning.
    assert_eq!(judged_claims(&settings(), &good_with("org", json!("acme"))), accepted("alice"));
}

#[test]
fn anything_but_false_in_the_claim_says_that_the_owner_is_disabled() {
    let settings = Jwt { disabled_claim: Some("suspended".parse().expect("a path")), ..settings() };
    for quiet in [json!(false), json!(null)] {
        assert_eq!(judged_claims(&settings, &good_with("suspended", quiet)), accepted("alice"));
    }
    assert_eq!(judged_claims(&settings, &good()), accepted("alice"));
    for loud in [json!(true), json!("false"), json!(0), json!(""), json!([]), json!({})] {
        assert_eq!(
            judged_claims(&settings, &good_with("suspended", loud.clone())),
            Err(TokenFault::OwnerDisabled),
            "{loud}"
        );
    }
}

#[test]
fn the_plan_of_a_token_is_its_text_and_what_is_no_text_is_not_the_same_as_none() {
    let settings = Jwt { plan_claim: Some("app.plan".parse().expect("a path")), ..settings() };
    let plan = |settings: &Jwt, claims: &Value| {
        let verified = verified(settings, signed(HEADER, &claims.to_string()).as_bytes()).expect("a good token");
        verified.identity().plan.clone()
    };
    let claimed = |value: Value| plan(&settings, &good_with("app", json!({ "plan": value })));
    assert_eq!(claimed(json!("pro")).as_deref(), Some("pro"));
    assert_eq!(claimed(json!(null)), None);
    assert_eq!(plan(&settings, &good()), None);
    for odd in [json!(""), json!(7), json!(true), json!(["pro"]), json!({})] {
        assert_eq!(claimed(odd.clone()).as_deref(), Some(""), "{odd}");
    }
    assert_eq!(claimed(json!("é".repeat(1000))).as_deref().map(|text| text.chars().count()), Some(64));
    // Without such a setting, the claim has no meaning.
    assert_eq!(plan(&super::settings(), &good_with("app", json!({ "plan": "pro" }))), None);
}

/// Otherwise anybody who finds an old token could disable all keys of its owner.
#[test]
fn a_token_that_is_no_good_says_nothing_of_its_owner() {
    let settings = Jwt { disabled_claim: Some("suspended".parse().expect("a path")), ..settings() };
    let mut claims = good_with("suspended", json!(true));
    claims["exp"] = json!(NOW_SECONDS - HOUR);
    assert_eq!(judged_claims(&settings, &claims), Err(TokenFault::Expired));
    let forged = format!("{}x", signed(HEADER, &good_with("suspended", json!(true)).to_string()));
    assert!(matches!(judged(&settings, &forged), Err(TokenFault::Signature | TokenFault::Malformed)));
}
