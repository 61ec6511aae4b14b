//! What describes the API: the OpenAPI document, and a page for each problem.

use axum::extract::Path;
use axum::response::Response;

use crate::web::problem::{self, Failure};

/// The document as it is kept, without the problems: these come from their table.
const DOCUMENT: &str = include_str!("openapi.json");

/// `GET /openapi.json`.
pub(super) async fn openapi() -> Response {
    super::json(&document())
}

/// `GET /problems`: every problem there is.
pub(super) async fn problems() -> Response {
    super::json(&serde_json::json!({ "problems": problem::ALL }))
}

/// `GET /problems/{name}`: where the `type` of a problem leads.
pub(super) async fn problem(Path(name): Path<String>) -> Result<Response, Failure> {
    let known = problem::ALL.iter().find(|problem| problem.name == name);
    let known = known.ok_or_else(|| Failure::new(&problem::NOT_FOUND, "there is no such problem"))?;
    Ok(super::json(&serde_json::json!(known)))
}

/// The document, with the names of all problems where it speaks of them.
fn document() -> serde_json::Value {
    let mut document: serde_json::Value = serde_json::from_str(DOCUMENT).unwrap_or_default();
    if let Some(code) = document.pointer_mut("/components/schemas/Problem/properties/code") {
        code["enum"] = problem::ALL.iter().map(|problem| problem.name).collect();
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_names_every_problem_and_each_operation_its_failures() {
        let document = document();
        let names = document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"].as_array();
        assert_eq!(names.map(Vec::len), Some(problem::ALL.len()));
        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                let responses = operation["responses"].as_object().unwrap();
                assert!(responses.keys().any(|status| status.starts_with('2')), "{method} {path}");
                if path.starts_with("/v1/") {
                    assert!(
                        responses.contains_key("401") && responses.contains_key("503"),
                        "{method} {path}"
                    );
                }
            }
        }
    }
}
