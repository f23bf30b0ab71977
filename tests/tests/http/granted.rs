//! What a grant lets through, and what it does not: refused before anything is sent.

use taskhost_tests::http::{Reply, Server};

use super::script::bound;

fn echo() -> Server {
    Server::start(|request| Reply::ok(format!("{} {}", request.method, request.target)))
}

#[test]
fn what_is_granted_is_answered_by_its_method() {
    let server = echo();
    let api = bound(&format!("{},post,put,patch,delete", server.url("api")));
    let ran = api.run(&[
        "bases",
        "get x?y=1 show=content-type,version,address,certificate,timing",
        "head x show=content-type",
        "post x body=a%20b",
        "put x body=c",
        "patch x body=d",
        "delete x",
        "get",
        &format!("get {}", server.url("api/absolute")),
    ]);
    assert_eq!(ran.done(0), server.url("api"));
    assert_eq!(
        ran.done(1),
        "200 content-type=text/plain version=HTTP/1.1 address=127.0.0.1 certificate=none timing=false true GET /api/x?y=1"
    );
    assert_eq!(ran.done(2), "200 content-type=text/plain ");
    for (index, answer) in [(3, "POST /api/x"), (4, "PUT /api/x"), (5, "PATCH /api/x"), (6, "DELETE /api/x")] {
        assert_eq!(ran.done(index), format!("200 {answer}"));
    }
    assert_eq!((ran.done(7), ran.done(8)), ("200 GET /api", "200 GET /api/absolute"));
    let seen = server.seen();
    assert_eq!(seen[0].header("host"), format!("127.0.0.1:{}", server.port()));
    assert_eq!((seen[0].header("accept-encoding"), seen[0].header("accept")), ("identity", "*/*"));
    assert!(seen[0].header("user-agent").starts_with("taskhost/"));
    assert_eq!((seen[2].body.as_slice(), seen[2].header("content-type")), (&b"a b"[..], "text/plain"));
    let url = server.url("api/x");
    assert_eq!(
        ran.effects()[..7],
        [
            "bases observe perform done  null".to_owned(),
            format!("get observe perform done {url}?y=1 14"),
            format!("head observe perform done {url} 0"),
            format!("post change perform done {url} 3"),
            format!("put change perform done {url} 1"),
            format!("patch change perform done {url} 1"),
            format!("delete destroy perform done {url} 0"),
        ]
    );
}

#[test]
fn each_method_is_refused_without_its_word_and_nothing_is_sent() {
    let server = echo();
    let ran = bound(&server.url("")).run(&["post x", "put x", "patch x", "delete x", "ask x", "get x"]);
    for (index, word) in ["post", "put", "patch", "delete", "post"].into_iter().enumerate() {
        let (kind, detail) = &ran.lines[index];
        assert_eq!(kind, "refused");
        assert!(detail.contains(&format!("does not grant {word}; add `,{word}` to --http api=")), "{detail}");
    }
    ran.done(5);
    assert_eq!(server.seen().len(), 1);
    let refused = ran.effects().iter().filter(|effect| effect.contains(" refuse refused ")).count();
    assert_eq!(refused, 5);
}

#[test]
fn what_is_outside_of_the_address_is_refused_and_nothing_is_sent() {
    let (server, other) = (echo(), echo());
    let api = bound(&server.url("api/v1"));
    let port = server.port();
    for url in [
        "/".to_owned(),
        "/api".into(),
        "/api/v1x".into(),
        "../v2".into(),
        "x/../../v2".into(),
        "%2e%2e/v2".into(),
        "x/%2E%2e/%2e%2E/v2".into(),
        "..%2fv2".into(),
        "%2e%2e%2fv2".into(),
        "..%252fv2".into(),
        "..;/v2".into(),
        "..%5cv2".into(),
        "/%61pi/v1".into(),
        "/API/V1".into(),
        "//127.0.0.1:1/api/v1".into(),
        format!("http://localhost:{port}/api/v1"),
        format!("https://127.0.0.1:{port}/api/v1"),
        format!("http://127.0.0.1.evil.test:{port}/api/v1"),
        format!("http://0.0.0.0:{port}/api/v1"),
        other.url("api/v1"),
    ] {
        api.fails(&format!("get {url}"), "refused", "");
    }
    for url in
        ["user:pass@127.0.0.1/x", "ftp://127.0.0.1/x", "http://127.0.0.1:0/", "http://[::1/", "a%00b", "a%0d%0ab"]
    {
        let url = if url.starts_with("user") { format!("http://{url}") } else { url.to_owned() };
        api.fails(&format!("get {url}"), "invalid", "");
    }
    assert!(server.seen().is_empty() && other.seen().is_empty());
    // Another spelling of the same place is the same place.
    for url in ["/api//v1/x", "/x/../api/v1/./x", &format!("http://2130706433:{port}/api/v1/x#y")] {
        assert_eq!(api.done(&format!("get {url}")), "200 GET /api/v1/x");
    }
}

#[test]
fn headers_that_frame_or_steer_are_refused() {
    let server = echo();
    let api = bound(&format!("{},post,header=X-Api-Key:k", server.url("")));
    for (header, kind) in [
        ("Host:evil.test", "refused"),
        ("Authorization:Bearer%20x", "refused"),
        ("Proxy-Authorization:x", "refused"),
        ("Content-Length:0", "refused"),
        ("Transfer-Encoding:chunked", "refused"),
        ("Connection:close", "refused"),
        ("Upgrade:h2c", "refused"),
        ("Expect:100-continue", "refused"),
        ("X-HTTP-Method-Override:DELETE", "refused"),
        ("X-Original-URL:/admin", "refused"),
        ("X-Forwarded-Host:evil.test", "refused"),
        ("x-api-key:mine", "refused"),
        ("X-A:b%0d%0aHost:%20evil.test", "invalid"),
        ("X-A:b%0aX-B:c", "invalid"),
        ("X-A%0d%0aX-B:c", "invalid"),
        ("X_A:b", "invalid"),
        ("X A:b", "invalid"),
    ] {
        for method in ["get", "post"] {
            let ran = api.run(&[&format!("{method} x header={}", header.replace(' ', "%20"))]);
            assert_eq!(ran.lines[0].0, kind, "{method} {header}: {}", ran.lines[0].1);
        }
    }
    let many: String = (0..65).map(|index| format!(" header=x-{index}:y")).collect();
    api.fails(&format!("get x{many}"), "invalid", "65 headers are more than 64");
    api.fails(&format!("get x header=x-a:{}", "y".repeat(17_000)), "invalid", "more than 16384");
    assert!(server.seen().is_empty());
    assert_eq!(api.done("get x header=X-Mine:a%20b header=Accept:text/html"), "200 GET /x");
    let seen = server.seen();
    assert_eq!(
        (seen[0].header("x-mine"), seen[0].header("accept"), seen[0].header("x-api-key")),
        ("a b", "text/html", "k")
    );
}

#[test]
fn a_post_below_a_query_path_is_a_question() {
    let server = echo();
    let api = bound(&format!("{},query=api/v1/query", server.url("prom")));
    let ran =
        api.plan(&["ask api/v1/query body=up", "ask api/v1/query_range", "ask api/v1/write", "post api/v1/query"]);
    assert_eq!(ran.done(0), "200 POST /prom/api/v1/query");
    assert_eq!((ran.lines[1].0.as_str(), ran.lines[2].0.as_str()), ("refused", "refused"));
    assert_eq!(ran.done(3), "200 POST /prom/api/v1/query");
    assert!(ran.effects()[0].starts_with("post observe perform done "), "{:?}", ran.effects());
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn a_slot_that_is_not_bound_reaches_nothing() {
    let ran = super::script::Bound::default().run(&["bases", "get http://127.0.0.1:1/", "post http://127.0.0.1:1/"]);
    for (kind, detail) in &ran.lines {
        assert_eq!(kind, "refused");
        assert!(detail.contains("slot `api` is bound to no address; add --http api=URL"), "{detail}");
    }
}
