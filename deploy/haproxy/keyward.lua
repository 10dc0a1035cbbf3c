-- Asks Keyward about a request: `http-request lua.keyward` in haproxy.cfg. After a grant, the request continues with
-- the headers that say who the client is; a refusal is passed to the client unchanged. For HAProxy 2.6 and later.

-- The question goes through HAProxy itself, to its frontend `keyward_questions`. Behind it there can be several
-- replicas with health checks, and a timeout for connecting; HAProxy's client for Lua knows one address, and waits for
-- it.
local WAY = "abns@keyward"
-- Longer than the timeouts on that way, so that those end a question.
local PATIENCE_IN_MILLISECONDS = 5000

local IDENTITY = {
  "x-auth-subject", "x-auth-tenant", "x-auth-owner", "x-auth-key-id", "x-auth-scopes", "x-auth-method", "x-auth-environment",
}

-- The client's headers that Keyward receives, besides what is requested. A header that came twice is passed on twice,
-- because Keyward refuses it.
local PASSED_ON = { "authorization", "x-api-key", "x-request-id", "user-agent" }

-- The headers of a refusal that the client receives.
local PASSED_BACK = {
  "content-type", "cache-control", "www-authenticate", "retry-after", "x-request-id", "ratelimit", "ratelimit-policy",
  "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset",
}

-- What is left of the client's limits, for the answer to a request that is granted, by the variable that haproxy.cfg reads.
local LIMITS = {
  ["txn.keyward_limits"] = "ratelimit",
  ["txn.keyward_limits_policy"] = "ratelimit-policy",
  ["txn.keyward_x_limit"] = "x-ratelimit-limit",
  ["txn.keyward_x_remaining"] = "x-ratelimit-remaining",
  ["txn.keyward_x_reset"] = "x-ratelimit-reset",
}

-- HAProxy counts a header's values from 0.
local function first(values)
  return values and (values[0] or values[1])
end

local function ask(txn)
  local received = txn.http:req_get_headers()
  local headers = {
    ["host"] = { "keyward" },
    ["x-original-method"] = { txn.f:method() },
    ["x-original-uri"] = { txn.f:pathq() },
    ["x-original-host"] = { first(received["host"]) or "" },
    ["x-forwarded-for"] = { txn.f:src() },
    ["x-forwarded-proto"] = { txn.f:ssl_fc() == 1 and "https" or "http" },
  }
  for _, name in ipairs(PASSED_ON) do
    headers[name] = received[name]
  end
  local query = txn:get_var("txn.keyward_query") or ""
  return core.httpclient():get({
    url = "http://keyward/v1/authorize" .. query,
    dst = WAY,
    headers = headers,
    timeout = PATIENCE_IN_MILLISECONDS,
  })
end

local function refuse(txn, answer)
  local reply
  if first(answer.headers and answer.headers["content-type"]) == "application/problem+json" then
    reply = txn:reply({ status = answer.status, reason = answer.reason })
    for _, name in ipairs(PASSED_BACK) do
      for _, value in pairs(answer.headers[name] or {}) do
        reply:add_header(name, value)
      end
    end
    reply:set_body(answer.body or "")
  else
    -- Not an answer of Keyward: it can't be reached, or doesn't answer in time. No request passes.
    reply = txn:reply({ status = 503, reason = "Service Unavailable" })
    reply:add_header("content-type", "application/problem+json")
    reply:add_header("cache-control", "no-store")
    reply:add_header("retry-after", "1")
    reply:set_body('{"type":"about:blank","title":"Service Unavailable","status":503}')
  end
  txn:done(reply)
end

-- A Lua error ends the request with 500, so no request passes by one either; the configuration refuses every request
-- that returns from here without the mark.
core.register_action("keyward", { "http-req" }, function(txn)
  local answer = ask(txn)
  if answer.status ~= 200 then
    refuse(txn, answer)
    return
  end
  -- haproxy.cfg has removed what the client has sent under these names.
  for _, name in ipairs(IDENTITY) do
    local value = first(answer.headers[name])
    if value then
      txn.http:req_set_header(name, value)
    end
  end
  for variable, name in pairs(LIMITS) do
    local value = first(answer.headers[name])
    if value then
      txn:set_var(variable, value)
    end
  end
  txn:set_var("txn.keyward_granted", true)
end)
