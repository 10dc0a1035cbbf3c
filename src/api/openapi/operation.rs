//! The builder for the description of one route.

use serde_json::Value;

use super::{
    bodies::form,
    parameters::{self, header},
};
use crate::{
    api::{
        endpoint::Endpoint,
        wire::failure::{Fault, FieldError, Missing, Reason},
    },
    server::Refusal,
};

/// The description of a route.
pub(super) struct Operation {
    id: &'static str,
    summary: &'static str,
    pub(super) parameters: Vec<Value>,
    pub(super) body: Option<Value>,
    /// The responses other than problems.
    pub(super) answers: Vec<SuccessResponse>,
    /// What can fail in the handler.
    pub(super) reasons: Vec<Reason>,
}

/// A response that is not a problem.
pub(super) struct SuccessResponse {
    pub(super) status: u16,
    pub(super) means: &'static str,
    /// The name of the schema; `None` if the body is not our JSON.
    pub(super) schema: Option<&'static str>,
    pub(super) headers: &'static [(&'static str, Occurs)],
    /// Further media types of the same response.
    pub(super) also: &'static [&'static str],
}

/// Whether a header is always present.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Occurs {
    Always,
    Sometimes,
}

impl Operation {
    pub(super) fn new(id: &'static str, summary: &'static str) -> Self {
        Self { id, summary, parameters: Vec::new(), body: None, answers: Vec::new(), reasons: Vec::new() }
    }

    pub(super) fn answers(self, status: u16, means: &'static str, schema: &'static str) -> Self {
        self.answers_with(status, means, schema, &[])
    }

    pub(super) fn answers_with(
        mut self,
        status: u16,
        means: &'static str,
        schema: &'static str,
        headers: &'static [(&'static str, Occurs)],
    ) -> Self {
        self.answers.push(SuccessResponse { status, means, schema: Some(schema), headers, also: &[] });
        self
    }

    /// Adds a response without a JSON body.
    pub(super) fn answers_without_json(
        mut self,
        status: u16,
        means: &'static str,
        headers: &'static [(&'static str, Occurs)],
    ) -> Self {
        self.answers.push(SuccessResponse { status, means, schema: None, headers, also: &[] });
        self
    }

    /// Adds further media types of the answers that have a body.
    pub(super) fn also_as(mut self, media_types: &'static [&'static str]) -> Self {
        for answer in self.answers.iter_mut().filter(|answer| answer.schema.is_some()) {
            answer.also = media_types;
        }
        self
    }

    pub(super) fn fails(mut self, reasons: impl IntoIterator<Item = Reason>) -> Self {
        self.reasons.extend(reasons);
        self
    }

    /// Adds the outage of the database.
    pub(super) fn stored(self) -> Self {
        self.fails([Reason::Unavailable])
    }

    pub(super) fn takes(mut self, parameters: impl IntoIterator<Item = Value>) -> Self {
        self.parameters.extend(parameters);
        self
    }

    /// Adds parameters or headers that can be invalid.
    pub(super) fn takes_checked(self, parameters: impl IntoIterator<Item = Value>) -> Self {
        self.takes(parameters).fails([unknown_parameter()])
    }

    /// For an operation on one key.
    pub(super) fn of_a_key(self) -> Self {
        self.takes([parameters::key_id_in_path()]).conditional().fails([Reason::NotFound(Missing::Route)]).stored()
    }

    /// For an operation on one key, whatever its version.
    pub(super) fn of_a_key_unconditionally(self) -> Self {
        self.takes([parameters::key_id_in_path()]).fails([Reason::NotFound(Missing::Route)]).stored()
    }

    /// Adds preconditions on the key's version.
    pub(super) fn conditional(self) -> Self {
        let headers = ["If-Match", "If-None-Match of a key"].map(header);
        self.takes_checked(headers).fails([Reason::VersionMismatch])
    }

    /// For an operation that changes one key.
    pub(super) fn changes_a_key(self) -> Self {
        self.of_a_key().fails([Reason::PreconditionFailed])
    }

    /// Adds a JSON body.
    pub(super) fn reads(mut self, body: Value) -> Self {
        self.body = Some(body);
        let invalid = FieldError::of_field("/allowedIps/0", "invalid", "must be an address or a network");
        self.fails([
            Reason::InvalidJson(Fault::Syntax { line: 1, column: 12, cause: "expected value".into() }),
            Reason::InvalidJson(Fault::NotAnObject("array")),
            Reason::UnsupportedMediaType,
            Reason::NoRequest(Refusal::ContentCoding),
            Reason::InvalidFields(vec![invalid]),
        ])
    }

    /// Adds a form body.
    pub(super) fn reads_form(mut self) -> Self {
        self.body = Some(form("TokenForm"));
        self.fails([Reason::InvalidForm("token is missing"), Reason::NoRequest(Refusal::ContentCoding)])
    }

    /// Unique among all operations, like the id.
    pub(super) fn summary(&self, endpoint: &Endpoint, all: &[Endpoint]) -> String {
        match self.of_owners(endpoint, all) {
            Some(_) => format!("{}, as an administrator", self.summary),
            None => self.summary.to_owned(),
        }
    }

    /// The id of the owners' operation that does the same, if this operation is for administrators.
    pub(super) fn of_owners(&self, endpoint: &Endpoint, all: &[Endpoint]) -> Option<&'static str> {
        let own = endpoint.path.strip_prefix("/v1/admin")?;
        let is_same = |other: &Endpoint| other.method == endpoint.method && other.path.strip_prefix("/v1") == Some(own);
        all.iter().any(is_same).then_some(self.id)
    }

    /// Unique among all operations, although administrators' and owners' routes share their descriptions.
    pub(super) fn id(&self, endpoint: &Endpoint) -> String {
        if !endpoint.path.starts_with("/v1/admin/") {
            return self.id.to_owned();
        }
        let (first, rest) = self.id.split_at(1);
        format!("admin{}{rest}", first.to_ascii_uppercase())
    }
}

/// The refusal of every route that is strict, or that reads parameters or headers.
pub(super) fn unknown_parameter() -> Reason {
    let unknown = FieldError::of_parameter("colour", "unknown_parameter", "there is no such parameter here");
    Reason::InvalidParameters(vec![unknown])
}
