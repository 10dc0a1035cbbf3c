-- Nobody gets the credits of a plan again by leaving it and coming back.

-- What an owner had left of the credits of plans that they have left, by the name of the plan: an object with `remaining`;
-- `nextRefill`, when the next one would have come; and `at`, when they left. The credits themselves go with the plan. In the
-- row of the owner's limits, which is read and locked with them; most owners have none. At most one for each plan.
ALTER TABLE owner_limits ADD COLUMN left_of_plans jsonb NOT NULL DEFAULT '{}';

-- A plan that was deleted and made again is another one, of which nobody had anything before. No trigger looks at this.
ALTER TABLE plans ADD COLUMN made_at timestamptz NOT NULL DEFAULT now();
