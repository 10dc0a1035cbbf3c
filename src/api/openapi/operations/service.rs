//! The service itself: health, metrics, documents.

use super::{
    super::{
        operation::{Occurs, Operation},
        parameters::{self, header},
    },
    Describe, TAG,
};
use crate::api::wire::failure::{Missing, Reason};

const LOCATION: &[(&str, Occurs)] = &[("Location", Occurs::Always)];

pub(super) const OPERATIONS: &[(&str, Describe)] = &[
    ("GET /healthz", |_| Operation::new("isAlive", "Check liveness").answers(200, "The process is alive", "Readiness")),
    ("GET /readyz", |_| {
        Operation::new("isReady", "Check readiness").answers(200, "Ready: send requests here", "Readiness").answers(
            503,
            "Not ready: send requests to another replica",
            "Readiness",
        )
    }),
    ("GET /metrics", |_| {
        Operation::new("readMetrics", "Get the metrics of this replica")
            .answers_without_json(200, "The metrics, in the text format of Prometheus", &[])
            .fails([Reason::NotFound(Missing::Route)])
    }),
    ("GET /problems", |_| document("listProblems", "List problem types", "ProblemTypes").also_as(&["text/html"])),
    ("GET /problems/{code}", |_| {
        document("readProblem", "Get a problem type", "ProblemType")
            .also_as(&["text/html"])
            .takes([parameters::problem_code()])
            .fails([Reason::NotFound(Missing::Route)])
    }),
    ("GET /openapi.json", |_| document("readOpenApi", "Get the OpenAPI document", "Document")),
    ("GET /", |_| {
        Operation::new("readRoot", "Go to the documentation from the root")
            .fails([Reason::NotFound(Missing::Route)])
            .answers_without_json(307, "Redirect to the documentation", LOCATION)
    }),
    ("GET /docs", |_| {
        Operation::new("readDocs", "Redirect to the documentation").answers_without_json(
            308,
            "Redirect to the documentation",
            LOCATION,
        )
    }),
    ("GET /docs/", |_| document("readDocsPage", "Get the documentation page", "")),
    ("GET /docs/{file}", |_| {
        document("readDocsFile", "Get a file of the documentation page", "")
            .takes([parameters::file()])
            .fails([Reason::NotFound(Missing::Route)])
    }),
];

/// Content that changes only with a release.
fn document(id: &'static str, summary: &'static str, schema: &'static str) -> Operation {
    let operation = Operation::new(id, summary).takes([header("If-None-Match")]);
    let operation = match schema {
        "" => operation.answers_without_json(200, "The document", TAG),
        schema => operation.answers_with(200, "The document", schema, TAG),
    };
    operation.answers_without_json(304, "Not modified", TAG)
}
