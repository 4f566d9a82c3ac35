-- Reads entries of the audit log.
-- KEYS  1 audit
-- ARGV  1 id after which, or '' for the last ones  2 limit
-- Reply {id, at, JSON, id, at, JSON, …}   in order
local found
if ARGV[1] == '' then
  local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', ARGV[2])
  found = {}
  for i = #last, 1, -1 do
    found[#found + 1] = last[i]
  end
else
  found = redis.call('XRANGE', KEYS[1], '(' .. ARGV[1] .. '-0', '+', 'COUNT', ARGV[2])
end
local reply = {}
for _, each in ipairs(found) do
  reply[#reply + 1] = string.match(each[1], '^%d+')
  reply[#reply + 1] = each[2][2]
  reply[#reply + 1] = each[2][4]
end
return reply
