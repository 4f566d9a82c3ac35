-- Reads marks of revoked users, the oldest first.
-- KEYS  1 revoked
-- ARGV  1 ms after which  2 limit
-- Reply {last, user, at, user, at, …}   last: ms of the latest mark of all, '0' without one
local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
local reply = { last and string.format('%.0f', last) or '0' }
local found = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
for i = 1, #found, 2 do
  reply[#reply + 1] = found[i]
  reply[#reply + 1] = string.format('%.0f', found[i + 1])
end
return reply
