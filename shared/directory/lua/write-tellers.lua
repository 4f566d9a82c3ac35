-- Notes which incarnation tells receivers of webhooks of which rooms; lets go of rooms of which nobody has to be told any more.
-- KEYS  1 tellers
-- ARGV  1 incarnation  2 number of rooms that it tells of, then these, then rooms that it does not any more
-- Reply {'written'}   a room that another incarnation tells of by now stays that one's
local added = tonumber(ARGV[2])
for i = 3, 2 + added do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[1])
end
for i = 3 + added, #ARGV do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[1] then
    redis.call('HDEL', KEYS[1], ARGV[i])
  end
end
return { 'written' }
