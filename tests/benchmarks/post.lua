-- Posts the lines of the file BODIES in turn, and says at the end how it went, as JSON.
-- With DELAY_MS each connection waits about so long before each request.
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

function done(summary, latency, _)
  local failed = summary.errors
  io.write(string.format(
    'JSON {"requests": %d, "seconds": %.6f, "p50": %.6f, "p95": %.6f, "p99": %.6f, "longest": %.6f, '
      .. '"refused": %d, "broken": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e6,
    latency:percentile(95) / 1e6, latency:percentile(99) / 1e6, latency.max / 1e6, failed.status,
    failed.connect + failed.read + failed.write + failed.timeout))
end
