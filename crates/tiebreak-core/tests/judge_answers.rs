//! What a verdict tells beyond its class: items of bulk answers, the existing resource, fields, waiting time.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use tiebreak_core::judge::{Asked, Dialects, Earlier, Judge};
use tiebreak_core::remedy::Remedy;
use tiebreak_core::response::Response;
use tiebreak_core::verdict::{Class, Scope, Verdict};

fn map(fields: &[(&str, &str)]) -> HeaderMap {
    fields
        .iter()
        .map(|(n, v)| {
            (
                n.parse::<HeaderName>().expect("a name"),
                v.parse::<HeaderValue>().expect("a value"),
            )
        })
        .collect()
}

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
    Response {
        status: StatusCode::from_u16(status).expect("a status"),
        headers: map(headers),
        content: body.to_owned().into(),
        complete: true,
    }
}

fn post(status: u16, body: &str) -> Verdict {
    let none = HeaderMap::new();
    Judge::standard().judge(&Asked::new(&Method::POST, "/things", &none), &answer(status, &[], body))
}

fn items(verdict: &Verdict) -> Vec<(usize, Option<&str>, Class)> {
    verdict
        .items
        .iter()
        .map(|i| (i.index, i.id.as_deref(), i.verdict.class))
        .collect()
}

/// Name, status, body, failed items.
type Bulk = (
    &'static str,
    u16,
    &'static str,
    &'static [(usize, Option<&'static str>, Class)],
);

#[test]
fn a_conflict_inside_a_bulk_success_is_found() {
    let cases: [Bulk; 9] = [
        (
            "Elasticsearch _bulk",
            200,
            r#"{"took":3,"errors":true,"items":[{"index":{"_id":"1","status":201}},{"create":{"_id":"2","status":409,"error":{"type":"version_conflict_engine_exception","reason":"[2]: version conflict, document already exists (current version [1])"}}},{"index":{"_id":"3","status":409,"error":{"type":"version_conflict_engine_exception","reason":"[3]: version conflict, required seqNo [1]"}}}]}"#,
            &[(1, Some("2"), Class::Duplicate), (2, Some("3"), Class::Stale)],
        ),
        (
            "CouchDB _bulk_docs",
            201,
            r#"[{"ok":true,"id":"a","rev":"1-x"},{"id":"b","error":"conflict","reason":"Document update conflict."}]"#,
            &[(1, Some("b"), Class::Stale)],
        ),
        (
            "Kinto batch",
            200,
            r#"{"responses":[{"path":"/v1/a","status":201,"body":{}},{"path":"/v1/b","status":412,"body":{"code":412,"errno":114,"error":"Precondition Failed"}}]}"#,
            &[(1, Some("/v1/b"), Class::Stale)],
        ),
        (
            "WebDAV multi-status",
            207,
            r#"<d:multistatus xmlns:d="DAV:"><d:response><d:href>/a</d:href><d:status>HTTP/1.1 423 Locked</d:status></d:response></d:multistatus>"#,
            &[(0, Some("/a"), Class::Race)],
        ),
        (
            "S3 multi-delete",
            200,
            r#"<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>b</Key><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error></DeleteResult>"#,
            &[(1, Some("b"), Class::Other)],
        ),
        (
            "Salesforce collection",
            200,
            r#"[{"id":"1","success":true,"errors":[]},{"success":false,"errors":[{"statusCode":"UNABLE_TO_LOCK_ROW","message":"unable to obtain exclusive access to this record","fields":[]}]}]"#,
            &[(1, None, Class::Race)],
        ),
        (
            "GraphQL",
            200,
            r#"{"data":{"a":null},"errors":[{"message":"Email already exists","path":["a"],"extensions":{"code":"ALREADY_EXISTS"}}]}"#,
            &[(0, None, Class::Duplicate)],
        ),
        (
            "SQS batch",
            200,
            r#"{"Successful":[{"Id":"1"}],"Failed":[{"Id":"2","SenderFault":true,"Code":"InvalidMessageContents","Message":"The message is not valid"}]}"#,
            &[(0, Some("2"), Class::Invalid)],
        ),
        (
            "a bulk without failures",
            200,
            r#"{"took":3,"errors":false,"items":[{"index":{"_id":"1","status":201}}]}"#,
            &[],
        ),
    ];
    for (name, status, body, wanted) in cases {
        let verdict = post(status, body);
        assert_eq!(items(&verdict), wanted, "{name}: {verdict:?}");
        // Some of it was applied: nothing is done about the whole.
        assert!(matches!(verdict.remedy, Remedy::Stop | Remedy::Wait), "{name}");
        if wanted.is_empty() {
            assert_eq!(verdict.class, Class::Other, "{name}");
        }
    }
}

#[test]
fn the_commonest_words_are_known_in_many_languages() {
    for (duplicate, stale) in [
        (
            "Benutzername existiert bereits",
            "Der Datensatz wurde zwischenzeitlich geändert",
        ),
        (
            "Cet email existe déjà",
            "Le document a été modifié par un autre utilisateur",
        ),
        (
            "El usuario ya existe",
            "El registro ha sido modificado por otro usuario",
        ),
        ("E-mail já cadastrado", "O registro foi alterado por outro usuário"),
        ("Nome già in uso", "Il record è stato modificato da un altro utente"),
        ("Naam bestaat al", "Het record is gewijzigd door een andere gebruiker"),
        (
            "Taki adres już istnieje",
            "Rekord został zmieniony przez innego użytkownika",
        ),
        (
            "Такой логин уже существует",
            "Запись была изменена другим пользователем",
        ),
        ("名称已存在", "数据已被其他用户修改"),
        ("この名前は既に存在します", "他のユーザーによって更新されています"),
        ("이미 등록된 이메일입니다", "다른 사용자에 의해 변경되었습니다"),
        ("الاسم موجود بالفعل", "تم تعديل السجل"),
    ] {
        let class = |text: &str| post(409, &format!(r#"{{"message":"{text}"}}"#)).class;
        assert_eq!(class(duplicate), Class::Duplicate, "{duplicate}");
        assert_eq!(class(stale), Class::Stale, "{stale}");
    }
}

#[test]
fn the_existing_resource_is_named() {
    for (body, wanted) in [
        (r#"{"message":"Contact already exists. Existing ID: 123"}"#, "123"),
        (r#"{"error":"exists","existing_id":4711}"#, "4711"),
        (
            r#"{"error":{"code":"x","links":{"conflicting_resource_id":"PM1"},"message":"it already exists"}}"#,
            "PM1",
        ),
        (r#"{"message":"The 'web' already exists"}"#, "web"),
        (r#"{"message":"File already exists: foo.jsonl"}"#, "foo.jsonl"),
        (
            r#"{"error":"conflict","existing":{"id":"r1"},"message":"already exists"}"#,
            "r1",
        ),
    ] {
        let verdict = post(409, body);
        assert_eq!(verdict.class, Class::Duplicate, "{body}");
        assert_eq!(verdict.existing.as_deref(), Some(wanted), "{body}");
    }
}

#[test]
fn fields_are_listed() {
    let verdict = post(
        422,
        r#"{"message":"Validation failed","errors":[{"field":"email","message":"is required"}]}"#,
    );
    assert_eq!(
        (verdict.fields[0].field.as_str(), verdict.fields[0].message.as_str()),
        ("email", "is required")
    );
    let verdict = post(422, r#"{"errors":{"slug":["has already been taken"]}}"#);
    assert_eq!(verdict.fields[0].field, "slug");
    let verdict = post(
        409,
        r#"{"errors":[{"detail":"already exists","source":{"pointer":"/data/attributes/name"}}]}"#,
    );
    assert_eq!(verdict.fields[0].field, "/data/attributes/name");
}

#[test]
fn waiting_time_is_read_wherever_it_stands() {
    let none = HeaderMap::new();
    let asked = Asked::new(&Method::POST, "/", &none);
    let wait =
        |headers: &[(&str, &str)], body: &str| Judge::standard().judge(&asked, &answer(429, headers, body)).retry_after;
    assert_eq!(wait(&[("retry-after", "7")], ""), Some(Duration::from_secs(7)));
    assert_eq!(
        wait(
            &[
                ("retry-after", "Sun, 22 Nov 2026 08:45:30 GMT"),
                ("date", "Sun, 22 Nov 2026 08:45:00 GMT")
            ],
            ""
        ),
        Some(Duration::from_secs(30))
    );
    assert_eq!(wait(&[("retry-after-ms", "250")], ""), Some(Duration::from_millis(250)));
    assert_eq!(
        wait(&[], r#"{"error":{"retry_after":1.5}}"#),
        Some(Duration::from_millis(1500))
    );
    assert_eq!(wait(&[("retry-after", "-3")], r#"{"retry_after":1e99}"#), None);
}

#[test]
fn an_unknown_attempt_before_makes_a_duplicate_worth_a_look() {
    let none = HeaderMap::new();
    let asked = Asked::new(&Method::POST, "/things", &none);
    let answer = answer(409, &[], r#"{"error":"name already exists"}"#);
    let judge = Judge::standard();
    assert_eq!(judge.judge(&asked, &answer).remedy, Remedy::Stop);
    let again = judge.judge(&asked.after(Earlier::MayHaveApplied), &answer);
    assert_eq!(again.remedy, Remedy::Adopt);
    assert_eq!(again.evidence.last().map(|e| e.place.as_ref()), Some("history"));
}

#[test]
fn a_version_is_needed_to_be_stale() {
    let none = HeaderMap::new();
    let guarded = map(&[("if-match", "\"1\"")]);
    let creates = map(&[("if-none-match", "*")]);
    let judge = Judge::standard();
    let put = |headers: &HeaderMap, content: Option<&'static [u8]>| {
        let asked = Asked {
            content,
            ..Asked::new(&Method::PUT, "/things/1", headers)
        };
        let verdict = judge.judge(
            &asked,
            &answer(412, &[], r#"{"message":"Resource was modified meanwhile"}"#),
        );
        (verdict.class, verdict.remedy)
    };
    assert_eq!(put(&guarded, None), (Class::Stale, Remedy::Rebase));
    assert_eq!(put(&creates, None), (Class::Duplicate, Remedy::Stop));
    assert_eq!(put(&none, Some(b"{\"name\":\"a\"}")), (Class::Stale, Remedy::Stop));
    assert_eq!(put(&none, Some(b"{\"version\":3}")), (Class::Stale, Remedy::Rebase));
}

#[test]
fn users_bring_their_own_packs() {
    let pack = Dialects::load(
        "acme.toml",
        r#"
name = "acme"
title = "Acme"
source = "https://acme.example/docs"
code_at = "/fault"
[[recognise]]
headers = { "x-acme" = true }
[[rule]]
code = "E17"
class = "race"
scope = "parent"
why = "the nightly run holds the ledger"
[[example]]
headers = { x-acme = "1" }
body = '{"fault":"E17"}'
class = "race"
remedy = "wait"
"#,
    )
    .expect("a pack");
    let mut packs = vec![pack.clone()];
    packs.extend(Judge::standard().packs().iter().cloned());
    let judge = Judge::with_packs(packs);
    judge.check(&pack).expect("its example holds");
    let none = HeaderMap::new();
    let verdict = judge.judge(
        &Asked::new(&Method::POST, "/", &none),
        &answer(409, &[("x-acme", "1")], r#"{"fault":"E17"}"#),
    );
    assert_eq!((verdict.class, verdict.scope), (Class::Race, Some(Scope::Parent)));
    assert_eq!(verdict.dialect.as_deref(), Some("acme"));
    assert_eq!(
        verdict.reason(),
        "the nightly run holds the ledger (in the body, at `fault`: E17)"
    );
    assert!(
        Judge::standard().check(&pack).is_err(),
        "the standard judge does not know it"
    );
}

/// OData 4.01 part 1 §11.7.7.3: the answer to a batch is 200, with an answer to each request in its parts.
#[test]
fn conflicts_in_a_multipart_batch_are_found_item_by_item() {
    let part = |head: &str, body: &str| {
        format!(
            "--batch_7\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\nHTTP/1.1 {head}\r\nContent-Type: application/json\r\n\r\n{body}\r\n"
        )
    };
    let stale = part(
        "412 Precondition Failed\r\nContent-ID: 2",
        r#"{"error":{"code":"0x80060882","message":"The version of the existing record doesn't match the RowVersion property provided."}}"#,
    );
    let there = part(
        "409 Conflict\r\nContent-ID: 3",
        r#"{"error":{"code":"1","message":"A record with these values already exists"}}"#,
    );
    let batch = |parts: &[&str]| {
        let none = HeaderMap::new();
        let body = format!("{}--batch_7--\r\n", parts.concat());
        let answer = answer(200, &[("content-type", "multipart/mixed; boundary=batch_7")], &body);
        Judge::standard().judge(&Asked::new(&Method::POST, "/api/data/v9.2/$batch", &none), &answer)
    };
    let mixed = batch(&[&part("204 No Content", ""), &stale, &there]);
    assert_eq!(
        items(&mixed),
        [(1, Some("2"), Class::Stale), (2, Some("3"), Class::Duplicate)]
    );
    assert_eq!(
        (mixed.class, mixed.remedy),
        (Class::Stale, Remedy::Stop),
        "one item was applied"
    );
    let well = batch(&[&part("204 No Content", "")]);
    assert_eq!((well.class, well.items.len()), (Class::Other, 0));
}

/// APIs that answer 200 and say in the content that it failed (Slack, JSON-RPC): named, but never acted upon.
#[test]
fn a_success_that_denies_itself_is_no_success() {
    for (body, class) in [
        (r#"{"ok":false,"error":"name_taken"}"#, Class::Duplicate),
        (r#"{"ok":false,"error":"already_archived"}"#, Class::State),
        (
            r#"{"success":false,"message":"The record has been modified by another user"}"#,
            Class::Stale,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":200,"message":"could not serialize access due to concurrent update"}}"#,
            Class::Race,
        ),
        (r#"{"ok":true,"note":"it already exists"}"#, Class::Other),
        (r#"{"ok":false,"error":"ratelimited"}"#, Class::Other),
    ] {
        let verdict = post(200, body);
        assert_eq!((verdict.class, verdict.remedy), (class, Remedy::Stop), "{body}");
    }
}
