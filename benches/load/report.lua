-- Sums a run up in one line for common.sh:
--   result REQUESTS MICROSECONDS P50 P99 REFUSED BROKEN
function done(summary, latency, _)
  local errors = summary.errors
  local broken = errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format("result %d %d %d %d %d %d\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), errors.status, broken))
end
