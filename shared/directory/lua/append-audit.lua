-- Adds an entry to the audit log, a stream with ids <n>-0, and drops the oldest beyond a bound.
-- KEYS  1 meta  2 audit
-- ARGV  1 JSON of the entry  2 most entries
-- Reply {id}
local time = redis.call('TIME')
local at = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local id = string.format('%.0f', redis.call('HINCRBY', KEYS[1], 'audits', 1))
redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[2], id .. '-0', 'at', at, 'entry', ARGV[1])
return { id }
