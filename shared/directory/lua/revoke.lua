-- Marks a user: what was issued to them up to now gives no right any more. Marks are numbered by their time, each above the one
-- before, so that a reader can go on from the last it has seen.
-- KEYS  1 revoked, a sorted set of users by the ms of their mark
-- ARGV  1 user  2 ms that marks are kept  3 most marks
-- Reply {'revoked', at} | {'full'}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. string.format('%.0f', now - ARGV[2]))
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then
  return { 'full' }
end
local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
local at = math.max(now, last and last + 1 or 0)
redis.call('ZADD', KEYS[1], string.format('%.0f', at), ARGV[1])
return { 'revoked', string.format('%.0f', at) }
