-- What each replica was built from: versions under development share a number, and an update of one is seen by this alone.

-- `unknown` if whoever built it did not say. Written with the row, at the replica's start, and by no heartbeat after it. NULL: a
-- replica of an earlier version.
ALTER TABLE replicas ADD COLUMN revision text CONSTRAINT replicas_revision_is_short CHECK (octet_length(revision) <= 100);
