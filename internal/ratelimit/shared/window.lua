#!lua
-- The strict window of ratelimit.Window, kept by Redis for all nodes. Times are in
-- microseconds of the server's own clock.
--
-- KEYS[1] the bucket's epoch: "<id> <run id of the server> <created at>"
-- KEYS[2] the chain's window; without it only the epoch is looked at
-- ARGV[1] the time, in tests only; "" = the server's
-- ARGV[2] the id of the epoch that begins if there is none of this server
-- ARGV[3] the limit
-- ARGV[4] the units that are needed; 0 asks only for the state and writes nothing
-- ARGV[5] the units that are wanted, at least those needed: as many as are free are given
-- ARGV[6] for how long those needed may be held
-- ARGV[7] for how long all may be held if more than those needed are given
-- ARGV[8] units that are given back,
-- ARGV[9] of which entry (when it began),
-- ARGV[10] of which epoch
--
-- Returns {epoch, its age, units given, units left, until the oldest counted unit
-- leaves, until those needed fit again (0 = all that is wanted was given), the entry
-- that the given units are in}.
local WINDOW, EXACT, MERGE, SECOND = 60000000, 256, 234375, 1000000
local ENTRY = '<dI4I4' -- an entry: began, span, count; the header: latest, total, head

local time = redis.call('TIME')
local clock = time[1] * SECOND + time[2]
if ARGV[1] ~= '' then clock = tonumber(ARGV[1]) end

-- A server that comes back empty, or was promoted, may have lost admissions.
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local id, of, since = string.match(redis.call('GET', KEYS[1]) or '', '^(%x+) (%x+) (%d+)$')
since = tonumber(since)
if of ~= run or since > clock then
  id, since = ARGV[2], clock
  redis.call('SET', KEYS[1], id .. ' ' .. run .. ' ' .. string.format('%.0f', clock))
end
if #KEYS == 1 then return {id, clock - since} end

local limit, need, want = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local state = redis.call('GET', KEYS[2])
local latest, total, head, n = clock, 0, 0, 0
local changed = {} -- entries that are not as in state
local write, whole = false, not state

local function entry(i)
  local e = changed[i]
  if e then return e[1], e[2], e[3] end
  return struct.unpack(ENTRY, state, 17 + 16 * i)
end

local function leaves(i)
  local began, span = entry(i)
  return began + span + WINDOW
end

if state then
  latest, total, head = struct.unpack(ENTRY, state)
  n = (#state - 16) / 16
  if latest > clock + SECOND then
    -- The clock was set back. What is counted is counted from now, which is too long,
    -- rather than until the clock has come back to where it was.
    latest, head, n, write, whole = clock, 0, 1, true, true
    changed[0] = {clock, SECOND, total}
  end
  latest = math.max(latest, clock)
end

while head < n do
  local began, span, count = entry(head)
  if count > 0 and began + span + WINDOW > latest then break end
  total = total - count
  head = head + 1
end

local back = tonumber(ARGV[8])
if back > 0 and ARGV[10] == id then
  local of = tonumber(ARGV[9])
  for i = n - 1, head, -1 do
    local began, span, count = entry(i)
    if began == of then
      back = math.min(back, count)
      changed[i] = {began, span, count - back}
      total = total - back
      write = true
    end
    if began <= of then break end
  end
end

local given, into = 0, 0
local free = math.max(limit - total, 0)
if need > 0 and need <= free then
  given = math.min(want, free)
  total = total + given
  write = true
  local hold, merge, joined = tonumber(ARGV[6]), 0, false
  if given > need then hold = math.max(hold, tonumber(ARGV[7])) end
  if limit > EXACT then merge = MERGE end
  if n > head then
    local began, span, count = entry(n - 1)
    local age = latest - began
    if age <= merge then
      changed[n - 1] = {began, math.max(span, age + hold), count + given}
      into, joined = began, true
    else
      hold = math.max(hold, span - age) -- not to leave before it
      if count == 0 then -- all of it was given back
        n = n - 1
      end
    end
  end
  if not joined then
    changed[n] = {latest, hold, given}
    into, n = latest, n + 1
  end
end

local wait = 0
if need > 0 and given < want then
  local left = total
  wait = WINDOW
  for i = head, n - 1 do
    local began, span, count = entry(i)
    left = left - count
    if need <= limit - left then
      wait = math.min(began + span + WINDOW - latest, WINDOW)
      break
    end
  end
end

if write then
  local header = struct.pack(ENTRY, latest, total, head)
  local ttl = 1000
  if n > head then ttl = math.ceil((leaves(n - 1) - clock) / 1000) + 1000 end
  if whole or head > 64 or head >= n - 1 then
    local parts = {struct.pack(ENTRY, latest, total, 0)}
    for i = head, n - 1 do
      if changed[i] then
        parts[#parts + 1] = struct.pack(ENTRY, unpack(changed[i]))
      else
        parts[#parts + 1] = string.sub(state, 17 + 16 * i, 32 + 16 * i)
      end
    end
    redis.call('SET', KEYS[2], table.concat(parts), 'PX', ttl)
  else
    redis.call('SETRANGE', KEYS[2], 0, header)
    for i, e in pairs(changed) do
      redis.call('SETRANGE', KEYS[2], 16 + 16 * i, struct.pack(ENTRY, unpack(e)))
    end
    redis.call('PEXPIRE', KEYS[2], ttl)
  end
end

local reset = 0
if n > head then reset = math.min(leaves(head) - latest, WINDOW) end
return {id, clock - since, given, math.max(limit - total, 0), reset, wait, into}
