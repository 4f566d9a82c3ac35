-- Takes a room's pin away.
-- KEYS  1 meta  2 pins
-- ARGV  1 room
-- Reply {'ok', ver}
--       {'absent'}   it has none
if redis.call('HDEL', KEYS[2], ARGV[1]) == 0 then
  return { 'absent' }
end
return { 'ok', string.format('%.0f', redis.call('HINCRBY', KEYS[1], 'ver', 1)) }
