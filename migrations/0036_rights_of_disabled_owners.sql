-- A link into the console, and the session that begins with it, also rest while the owner is disabled whose token has made the
-- link, as they do for a key. So disabling an owner stops all that their credentials have begun.

-- As before, and the owner of the maker's token. `maker_issuer` and `maker_subject` are those of a token; a key has neither.
-- Who may call it stays as it was.
CREATE OR REPLACE FUNCTION console_access_stands(by_link boolean, owner_issuer text, owner_subject text, person text,
                                                 since timestamptz, maker_issuer text, maker_subject text, maker_key uuid,
                                                 maker_token uuid)
RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN NOT (by_link AND EXISTS (SELECT FROM disabled_owners AS disabled
                                    WHERE disabled.issuer = owner_issuer AND disabled.subject = owner_subject))
        AND NOT EXISTS (SELECT FROM disabled_owners AS disabled
                        WHERE disabled.issuer = maker_issuer AND disabled.subject = maker_subject)
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
