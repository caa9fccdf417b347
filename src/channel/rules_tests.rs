use super::*;
use Refusal::{BadRequest, PermissionDenied, UnknownChannel};

fn rules_with(insecure: bool) -> Rules {
    let open = settings::Namespace {
        allow_subscribe_for_client: true,
        allow_subscribe_for_anonymous: true,
        allow_publish_for_subscriber: true,
        allow_publish_for_anonymous: true,
        ..Default::default()
    };
    let clients = settings::Namespace {
        allow_subscribe_for_client: true,
        allow_publish_for_client: true,
        publication_data_format: "json_object".into(),
        ..Default::default()
    };
    let ids = settings::Namespace { channel_regex: "^[0-9]+$".into(), ..open.clone() };
    let usr = settings::Namespace { allow_user_limited_channels: true, ..Default::default() };
    let both = settings::Namespace { allow_user_limited_channels: true, ..open.clone() };
    let octets = settings::Namespace { publication_data_format: "binary".into(), ..open.clone() };
    let list = [("open", open), ("clients", clients), ("ids", ids), ("usr", usr), ("both", both), ("octets", octets)];
    let closed = ("closed".to_string(), settings::Namespace::default());
    let channel = settings::Channel {
        namespaces: list.into_iter().map(|(name, options)| (name.into(), options)).chain([closed]).collect(),
        ..Default::default()
    };
    Rules::new(&channel, &settings::Client { insecure, ..Default::default() }).expect("good settings")
}

/// The subscribe decision without a token.
fn subscribe(rules: &Rules, channel: &str, user: &str) -> Result<(), Refusal> {
    let namespace = rules.named(channel)?;
    if rules.may_subscribe(channel, namespace, user) { Ok(()) } else { Err(PermissionDenied) }
}

#[test]
fn subscribing_is_decided_in_order() {
    let rules = rules_with(false);
    let rows: &[(&str, &str, Result<(), Refusal>)] = &[
        ("open:a", "", Ok(())),
        ("open:a", "42", Ok(())),
        ("nope:a", "42", Err(UnknownChannel)),
        ("closed:a", "42", Err(PermissionDenied)),
        ("plain", "42", Err(PermissionDenied)),
        ("open:é", "42", Err(BadRequest)),
        ("ids:12", "", Ok(())),
        ("ids:ab", "", Err(BadRequest)),
        ("$open:a", "42", Err(PermissionDenied)),
        ("$nope:a", "42", Err(UnknownChannel)),
        ("clients:a", "", Err(PermissionDenied)),
        ("clients:a", "42", Ok(())),
        ("usr:room#42,43", "42", Ok(())),
        ("usr:room#42,43", "44", Err(PermissionDenied)),
        ("usr:room#42", "", Err(PermissionDenied)),
        ("usr:room#", "", Ok(())),
        ("usr:a#42#c", "42", Err(PermissionDenied)),
        ("usr:room", "42", Err(PermissionDenied)),
        ("open:room#42", "44", Ok(())),
        ("both:room#42", "44", Err(PermissionDenied)),
        ("both:room", "44", Ok(())),
    ];
    for (channel, user, expected) in rows {
        assert_eq!(subscribe(&rules, channel, user), *expected, "{channel} {user}");
    }
}

#[test]
fn insecure_permits_everything_but_private_channels() {
    let rules = rules_with(true);
    assert_eq!(subscribe(&rules, "closed:a", ""), Ok(()));
    assert_eq!(subscribe(&rules, "usr:room#42", "1"), Ok(()));
    assert_eq!(subscribe(&rules, "$closed:a", ""), Err(PermissionDenied));
    assert_eq!(subscribe(&rules, "nope:a", ""), Err(UnknownChannel));
    assert_eq!(rules.publish("closed:a", "", false, b"1"), Ok(()));
    assert_eq!(rules.may_connect_with("closed:a", ""), Ok(true));
}

#[test]
fn channels_asked_for_in_connect_are_granted_or_passed_over() {
    let rules = rules_with(false);
    for (channel, user, expected) in [
        ("open:x", "", Ok(true)),
        ("closed:x", "", Ok(false)),
        ("nope:x", "", Err(UnknownChannel)),
        ("$open:x", "42", Ok(false)),
        ("open:é", "42", Ok(false)),
        ("", "42", Ok(false)),
        ("usr:r#42", "42", Ok(true)),
        ("usr:r#", "", Ok(false)),
    ] {
        assert_eq!(rules.may_connect_with(channel, user), expected, "{channel}");
    }
}

#[test]
fn publishing_is_decided_in_order() {
    let rules = rules_with(false);
    type Row<'a> = (&'a str, &'a str, bool, &'a str, Result<(), Refusal>);
    let rows: &[Row<'_>] = &[
        ("open:a", "", true, "1", Ok(())),
        ("open:a", "", false, "1", Err(PermissionDenied)),
        ("open:a", "", false, "", Err(BadRequest)),
        ("nope:a", "", true, "1", Err(UnknownChannel)),
        ("open:é", "", true, "1", Err(BadRequest)),
        ("clients:a", "42", false, "{}", Ok(())),
        ("clients:a", "", false, "{}", Err(PermissionDenied)),
        ("clients:a", "42", false, "[]", Err(BadRequest)),
        ("octets:a", "", true, "", Ok(())),
        ("$open:a", "", true, "1", Ok(())),
    ];
    for (channel, user, is_subscribed, data, expected) in rows {
        assert_eq!(rules.publish(channel, user, *is_subscribed, data.as_bytes()), *expected, "{channel} {user}");
    }
}

#[test]
fn json_that_is_no_utf8_is_no_json() {
    for format in ["json", "json_object"] {
        let channel = settings::Channel { publication_data_format: format.into(), ..Default::default() };
        let rules = Rules::new(&channel, &Default::default()).expect("good settings");
        let namespace = rules.named("a").expect("no namespace");
        assert!(namespace.allows_payload("{\"ä\":\"ä\"}".as_bytes()));
        assert!(
            !namespace.allows_payload(b"{\"a\":\"\xff\"}") && !namespace.allows_payload(b"{\"\xe4\":1}"),
            "{format}"
        );
    }
}

#[test]
fn options_that_cannot_hold_name_their_namespace() {
    for options in [
        settings::Namespace { channel_regex: "(".into(), ..Default::default() },
        settings::Namespace { publication_data_format: "xml".into(), ..Default::default() },
    ] {
        let channel = settings::Channel { namespaces: vec![("ns".into(), options)], ..Default::default() };
        let error = Rules::new(&channel, &settings::Client::default()).expect_err("refused");
        assert!(error.contains("namespace \"ns\""), "{error}");
    }
}

#[test]
fn a_pattern_is_looked_for_behind_the_boundary_and_in_whole_channels_without_namespace() {
    let digits = settings::Namespace { channel_regex: "[0-9]".into(), ..Default::default() };
    let namespaces = vec![("n1".to_string(), digits.clone())];
    let channel = settings::Channel { namespaces, without_namespace: digits, ..Default::default() };
    let rules = Rules::new(&channel, &settings::Client::default()).expect("good settings");
    for (channel, is_good) in [("n1:a", false), ("n1:a1é", true), ("$n1:a", false), ("a", false), ("a1", true)] {
        assert_eq!(rules.named(channel).map(|_| ()), if is_good { Ok(()) } else { Err(BadRequest) }, "{channel}");
    }
}

/// Namespaces that grant presence and history in one way each.
fn rules_of_features(insecure: bool) -> Rules {
    let kept = settings::Namespace {
        presence: true,
        join_leave: true,
        history_size: 1,
        history_ttl: Duration::from_secs(1),
        ..Default::default()
    };
    let client =
        settings::Namespace { allow_presence_for_client: true, allow_history_for_client: true, ..kept.clone() };
    let subscriber =
        settings::Namespace { allow_presence_for_subscriber: true, allow_history_for_subscriber: true, ..kept.clone() };
    let everybody =
        settings::Namespace { allow_presence_for_anonymous: true, allow_history_for_anonymous: true, ..client.clone() };
    let alone =
        settings::Namespace { allow_presence_for_anonymous: true, allow_history_for_anonymous: true, ..kept.clone() };
    let asked = settings::Namespace { allow_positioning: true, allow_recovery: true, ..Default::default() };
    let list = [
        ("kept", kept),
        ("client", client),
        ("subscriber", subscriber),
        ("everybody", everybody),
        ("alone", alone),
        ("asked", asked),
    ];
    let namespaces = list.into_iter().map(|(name, options)| (name.to_string(), options)).collect();
    let channel = settings::Channel { namespaces, ..Default::default() };
    Rules::new(&channel, &settings::Client { insecure, ..Default::default() }).expect("good settings")
}

#[test]
fn asking_for_presence_and_history_is_decided_in_order() {
    let rules = rules_of_features(false);
    let denied = Err(PermissionDenied);
    let rows: &[(&str, &str, bool, Result<(), Refusal>)] = &[
        ("nope:a", "42", true, Err(UnknownChannel)),
        ("client:é", "42", true, Err(BadRequest)),
        ("asked:a", "42", true, Err(Refusal::NotAvailable)),
        ("kept:a", "42", true, denied),
        ("client:a", "42", false, Ok(())),
        ("client:a", "", false, denied),
        ("client:a", "", true, denied),
        ("subscriber:a", "42", true, Ok(())),
        ("subscriber:a", "42", false, denied),
        ("subscriber:a", "", true, denied),
        ("everybody:a", "", false, Ok(())),
        ("alone:a", "", true, denied),
        ("alone:a", "42", true, denied),
    ];
    for (channel, user, is_subscribed, expected) in rows {
        for feature in [Feature::Presence, Feature::History] {
            assert_eq!(rules.ask(channel, user, *is_subscribed, feature), *expected, "{channel} {user} {feature:?}");
        }
    }
    let insecure = rules_of_features(true);
    assert_eq!(insecure.ask("kept:a", "", false, Feature::History), Ok(()));
    assert_eq!(insecure.ask("asked:a", "", false, Feature::History), Err(Refusal::NotAvailable));
}

#[test]
fn subscribers_get_what_they_ask_for_where_they_might_read_history_or_the_option_says_so() {
    let granted = |rules: &Rules, channel: &str, user: &str, asked: Asked| {
        let namespace = rules.named(channel).expect("it is known");
        let mut features = Features::default();
        rules.extend(&mut features, namespace, user, asked);
        (features.positioned, features.recoverable, features.push_join_leave)
    };
    let all = Asked { positioned: true, recoverable: true, join_leave: true };
    let position = Asked { positioned: true, recoverable: false, join_leave: false };
    let rules = rules_of_features(false);
    for (channel, user, asked, expected) in [
        ("asked:a", "", all, (true, true, false)),
        ("asked:a", "", position, (true, false, false)),
        ("kept:a", "42", all, (false, false, false)),
        ("client:a", "42", all, (true, true, true)),
        ("client:a", "", all, (false, false, false)),
        ("subscriber:a", "42", all, (true, true, true)),
        ("subscriber:a", "42", position, (true, false, false)),
    ] {
        assert_eq!(granted(&rules, channel, user, asked), expected, "{channel} {user}");
    }
    assert_eq!(granted(&rules_of_features(true), "kept:a", "", all), (true, true, true), "insecure");
}
