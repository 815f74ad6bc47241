//! The whole HTTP contract, as the daemon serves it: the console's routes and the intake's.

use std::path::Path;

/// `schemas/openapi.json` is what the code says. `KENTONGAN_BLESS=1` rewrites it.
#[test]
fn the_contract_is_the_file() {
    let code =
        console::openapi(Some(intake::openapi())).to_pretty_json().expect("it is JSON") + "\n";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/openapi.json");
    if std::env::var_os("KENTONGAN_BLESS").is_some() {
        std::fs::write(&file, &code).expect("schemas/openapi.json can be written");
        return;
    }
    let written = std::fs::read_to_string(&file).expect("schemas/openapi.json is there");
    assert!(
        written == code,
        "schemas/openapi.json is not what the code says; when the change is meant, run this test with \
         KENTONGAN_BLESS=1 and review the difference"
    );
}

/// Every route of the contract that people script against is in it.
#[test]
fn nothing_of_the_contract_is_missing() {
    let document = console::openapi(Some(intake::openapi()));
    for path in [
        "/api/v1/intake/zabbix",
        "/api/v1/intake/events",
        "/api/v1/incidents",
        "/api/v1/incidents/{id}",
        "/api/v1/incidents/{id}/explain",
        "/api/v1/incidents/{id}/acknowledge",
        "/api/v1/incidents/{id}/note",
        "/api/v1/incidents/{id}/resolve",
        "/api/v1/incidents/{id}/reprioritise",
        "/api/v1/incidents/{id}/misroute",
        "/api/v1/tickets",
        "/api/v1/alarms",
        "/api/v1/targets",
        "/api/v1/status",
        "/metrics",
        "/livez",
        "/readyz",
    ] {
        assert!(document.paths.paths.contains_key(path), "{path} is not described");
    }
}

/// OpenAPI 3.1 wants a description of every answer; tools that read the contract insist on it.
#[test]
fn every_answer_is_described() {
    let document = console::openapi(Some(intake::openapi())).to_json().expect("it is JSON");
    let document: serde_json::Value = serde_json::from_str(&document).expect("it is JSON");
    let mut answers = 0;
    for (path, item) in document["paths"].as_object().expect("there are paths") {
        for (method, operation) in item.as_object().expect("a path is an object") {
            let Some(responses) = operation["responses"].as_object() else { continue };
            for (status, answer) in responses {
                let described = answer["description"].as_str().is_some_and(|d| !d.is_empty());
                assert!(described, "{method} {path} {status} has no description");
                answers += 1;
            }
        }
    }
    assert!(answers > 40, "only {answers} answers are described");
}
