-- Posts the lines of the file BODIES in turn, and says at the end how it went, as JSON.
-- With DELAY_MS each connection waits about so long before each request.
local PARTS = 1000
local requests = {}
local turn = 0

function init(args)
  local headers = { ["Content-Type"] = "application/json", ["Authorization"] = os.getenv("AUTH") }
  for line in io.lines(os.getenv("BODIES")) do
    requests[#requests + 1] = wrk.format("POST", os.getenv("WHERE"), headers, line)
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

if os.getenv("DELAY_MS") then
  local mean = tonumber(os.getenv("DELAY_MS"))
  math.randomseed(7)
  function delay()
    return math.floor(mean * (0.5 + math.random()) + 0.5)
  end
end

-- A thousandth of the answers took as long as each of the times, so that runs can be merged.
function done(summary, latency, _)
  local failed = summary.errors
  local waits = {}
  for part = 1, summary.requests > 0 and PARTS or 0 do
    waits[part] = string.format("%.6f", latency:percentile((part - 0.5) * 100 / PARTS) / 1e6)
  end
  io.write(string.format(
    'JSON {"requests": %d, "seconds": %.6f, "waits": [%s], "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration / 1e6, table.concat(waits, ", "), failed.status,
    failed.connect + failed.read + failed.write + failed.timeout))
end
