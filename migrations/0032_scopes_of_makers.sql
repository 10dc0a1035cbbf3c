-- A link into the console, and the session that begins with it, also end when the key that has made the link loses the scope
-- that it needs for that; and whoever is taken off a plan comes back to none by an older token.

-- As before, and the scope of a maker that is a key. Who may call it stays as it was.
CREATE OR REPLACE FUNCTION console_access_stands(by_link boolean, owner_issuer text, owner_subject text, person text,
                                                 since timestamptz, maker_issuer text, maker_subject text, maker_key uuid,
                                                 maker_token uuid)
RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN NOT (by_link AND EXISTS (SELECT FROM disabled_owners AS disabled
                                    WHERE disabled.issuer = owner_issuer AND disabled.subject = owner_subject))
        AND NOT EXISTS (SELECT FROM tokens_not_before AS ends
                        WHERE ends.record_id IN (token_record('subject', owner_issuer, person),
                                                 token_record('subject', maker_issuer, maker_subject))
                            AND ends.not_before > since)
        AND NOT EXISTS (SELECT FROM revoked_tokens AS revoked WHERE revoked.record_id = maker_token)
        AND (maker_key IS NULL
             OR EXISTS (SELECT FROM api_keys AS maker
                        WHERE maker.id = maker_key AND maker.revoked_at IS NULL AND maker.enabled
                            AND 'keyward:console' = ANY (maker.scopes)
                            AND (maker.expires_at IS NULL OR maker.expires_at > now())
                            AND NOT EXISTS (SELECT FROM disabled_owners AS disabled
                                            WHERE disabled.issuer = maker.issuer AND disabled.subject = maker.subject)));
END
$$;

-- When the newest token was issued whose claim has put the owner on a plan, once an administrator has taken them off it or has
-- assigned another: `owner_plans` doesn't say then. NULL: none has, or an earlier version has forgotten it. In the row of the
-- owner's limits, which is read and locked with them; most owners have none. No trigger looks at this.
ALTER TABLE owner_limits ADD COLUMN plan_claimed_at timestamptz;
