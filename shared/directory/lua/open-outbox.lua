-- Takes over what webhooks have to tell of a room: from here on no owner of a lower epoch adds to it.
-- `told` is a hash session → user of those whose last event is a join, with the writer's epoch as its field `*`.
-- KEYS  1 told  2 outbox
-- ARGV  1 epoch  2 ms until both expire
-- Reply {'open', told as a flat list field, value, …, events as a flat list id, JSON, …}
--       {'stale', epoch}   a higher epoch has written
local stored = redis.call('HGET', KEYS[1], '*')
if stored and tonumber(stored) > tonumber(ARGV[1]) then
  return { 'stale', stored }
end
redis.call('HSET', KEYS[1], '*', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
local events = {}
for _, entry in ipairs(redis.call('XRANGE', KEYS[2], '-', '+')) do
  events[#events + 1] = entry[1]
  events[#events + 1] = entry[2][2]
end
return { 'open', redis.call('HGETALL', KEYS[1]), events }
