//! The operations on the database by name, and how long they took.

use std::time::Instant;

use crate::telemetry::metrics::counting::{Counters, Distribution, FAST, Histograms};

/// Defines the operations with the names that operators see.
macro_rules! statements {
    ($($statement:ident = $name:literal),+ $(,)?) => {
        /// An operation on the database: a method of a port, mostly.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(in crate::store) enum Statement {
            $($statement),+
        }

        /// Their names, in the same order.
        const NAMES: &[&str] = &[$($name),+];
    };
}

statements! {
    Listen = "listen",
    Heartbeat = "heartbeat",
    Acknowledge = "acknowledge",
    ReadAcknowledgements = "read_acknowledgements",
    ReadLongestLease = "read_longest_lease",
    EnterLease = "enter_lease",
    ListReplicas = "list_replicas",
    FindRevokedTokens = "find_revoked_tokens",
    ReadDatabaseRights = "read_database_rights",
    RevokeDatabaseRights = "revoke_database_rights",
    Ready = "ready",
    ReadPepper = "read_pepper",
    ClaimPepper = "claim_pepper",
    ForgetPepper = "forget_pepper",
    FindKeys = "find_keys",
    ReplaceHash = "replace_hash",
    WriteUsage = "write_usage",
    ReadUsage = "read_usage",
    KeepUsageMonths = "keep_usage_months",
    ForgetUsageKeys = "forget_usage_keys",
    InsertKey = "insert_key",
    FindIdempotentRequest = "find_idempotent_request",
    ShowKey = "show_key",
    ListKeys = "list_keys",
    ChangeKey = "change_key",
    RevokeKeys = "revoke_keys",
    CountKeys = "count_keys",
    ReadOwnerState = "read_owner_state",
    ListOwners = "list_owners",
    ShowOwner = "show_owner",
    SwitchOwner = "switch_owner",
    ShowOwnerLimits = "show_owner_limits",
    ChangeOwnerLimits = "change_owner_limits",
    ListPlans = "list_plans",
    ShowPlan = "show_plan",
    CountPlanOwners = "count_plan_owners",
    ChangePlan = "change_plan",
    DeletePlan = "delete_plan",
    ShowOwnerPlan = "show_owner_plan",
    AssignPlan = "assign_plan",
    RevokeTokens = "revoke_tokens",
    RemoveEndedKeys = "remove_ended_keys",
    KeepAuditMonths = "keep_audit_months",
    ListEvents = "list_events",
    ReadReplicas = "read_replicas",
    TakeSlices = "take_slices",
    ReturnSlices = "return_slices",
    ShowLimits = "show_limits",
    ForgetCounters = "forget_counters",
    ExchangeCredits = "exchange_credits",
    SettleSlices = "settle_slices",
    BeginSession = "begin_session",
    FindSession = "find_session",
    ListSessions = "list_sessions",
    EndSessions = "end_sessions",
    ForgetSessions = "forget_sessions",
    OfferSession = "offer_session",
    FindHandOver = "find_hand_over",
    AcceptHandOver = "accept_hand_over",
    BeginSurvey = "begin_survey",
    CountRisk = "count_risk",
    FindBusiestKeys = "find_busiest_keys",
    EndSurvey = "end_survey",
    ReadSurveys = "read_surveys",
    Sample = "sample",
    Examine = "examine",
}

impl Statement {
    /// The name that operators see.
    pub(in crate::store) fn name(self) -> &'static str {
        NAMES[self as usize]
    }
}

/// How often each was done, and how long it took.
pub struct Statements {
    durations: Histograms,
    failures: Counters,
}

/// What is known of one.
pub struct StatementState {
    /// Its name.
    pub name: &'static str,
    /// How long it took.
    pub durations: Distribution,
    /// How often it failed, or was not answered in time.
    pub failures: u64,
}

impl Default for Statements {
    fn default() -> Self {
        Self { durations: Histograms::new(FAST, NAMES.len()), failures: Counters::new(NAMES.len()) }
    }
}

impl Statements {
    /// The names of all operations.
    pub fn names() -> &'static [&'static str] {
        NAMES
    }

    /// Those that were done at least once.
    pub fn all(&self) -> impl Iterator<Item = StatementState> {
        let state = |(place, name): (usize, &&'static str)| StatementState {
            name,
            durations: self.durations.distribution(place),
            failures: self.failures.get(place),
        };
        NAMES.iter().enumerate().map(state).filter(|state| state.durations.count() > 0)
    }

    /// One begins.
    pub(in crate::store) fn begin(&self, statement: Statement) -> Begun<'_> {
        Begun { all: self, statement, at: Instant::now() }
    }
}

/// An operation under way. One whose caller is gone is not counted.
pub(in crate::store) struct Begun<'a> {
    all: &'a Statements,
    statement: Statement,
    at: Instant,
}

impl Begun<'_> {
    pub(in crate::store) fn end(self, is_done: bool) {
        let place = self.statement as usize;
        self.all.durations.observe(place, self.at.elapsed());
        if !is_done {
            self.all.failures.add(place, 1);
        }
    }
}
