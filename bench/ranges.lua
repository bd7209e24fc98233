-- Requests 64 KiB at a random position of one file repeatedly, and prints wrk's counts as one line of JSON.
-- RANGE_FILE_BYTES is the length of that file; RANGE_TOKEN, when set, is sent as the bearer token.

local chunk = 64 * 1024
local last_start = tonumber(os.getenv("RANGE_FILE_BYTES")) - chunk
local token = os.getenv("RANGE_TOKEN")
local prepared = {}

function init()
  math.randomseed(os.time())
  local headers = {}
  if token then
    headers["Authorization"] = "Bearer " .. token
  end
  -- Made beforehand, so that the load generator leaves the cores to the server.
  for i = 1, 2000 do
    local start = math.random(0, last_start)
    headers["Range"] = string.format("bytes=%d-%d", start, start + chunk - 1)
    prepared[i] = wrk.format("GET", nil, headers)
  end
end

function request()
  return prepared[math.random(#prepared)]
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    '{"requests": %d, "seconds": %.6f, "bytes": %d, "p50_ms": %.3f, "p99_ms": %.3f, "refused": %d, "broken": %d}',
    summary.requests, summary.duration / 1e6, summary.bytes,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
