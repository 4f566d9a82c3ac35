-- Writes a room's presence behind its owner's memory. The field `*` is the head: `epoch incarnation node asOf`; every other
-- field is a session with its member as JSON.
-- KEYS  1 presence
-- ARGV  1 epoch  2 incarnation  3 node  4 asOf  5 ms until the key expires  6 '1' to drop all members first, else '0'
--       7 number of sessions to remove, then these, then pairs session, JSON to set
-- Reply {'written'}
--       {'stale', epoch}   a higher epoch has written
local head = redis.call('HGET', KEYS[1], '*')
if head then
  local epoch = string.match(head, '^(%S+)')
  if tonumber(epoch) > tonumber(ARGV[1]) then
    return { 'stale', epoch }
  end
end
if ARGV[6] == '1' then
  redis.call('DEL', KEYS[1])
end
local removals = tonumber(ARGV[7])
for i = 8, 7 + removals do
  redis.call('HDEL', KEYS[1], ARGV[i])
end
for i = 8 + removals, #ARGV - 1, 2 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
end
redis.call('HSET', KEYS[1], '*', table.concat({ ARGV[1], ARGV[2], ARGV[3], ARGV[4] }, ' '))
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return { 'written' }
