-- Sends the requests of a file, all of the same length, one after the other. Each
-- thread has its share of them, and begins anew when it has sent all.
-- Arguments: the file, the length of a request, the requests in a share.
local threads = {}

function setup(thread)
  thread:set("index", #threads)
  table.insert(threads, thread)
end

function init(args)
  length, share = tonumber(args[2]), tonumber(args[3])
  file = assert(io.open(args[1], "rb"))
  file:setvbuf("full", 65536)
  file:seek("set", index * share * length)
  left, rewinds = share, 0
end

function request()
  if left == 0 then
    file:seek("set", index * share * length)
    left, rewinds = share, rewinds + 1
  end
  left = left - 1
  return file:read(length)
end

function done(summary, latency)
  local rewinds = 0
  for _, thread in ipairs(threads) do
    rewinds = rewinds + thread:get("rewinds")
  end
  local e = summary.errors
  print(string.format(
    '{"requests":%d,"microseconds":%d,"failed":%d,"refused":%d,"p50":%d,"p99":%d,"rewinds":%d}',
    summary.requests, summary.duration, e.connect + e.read + e.write + e.timeout, e.status,
    latency:percentile(50), latency:percentile(99), rewinds))
end
