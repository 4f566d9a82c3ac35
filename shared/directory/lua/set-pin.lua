-- Pins a room to a node, or to another than before.
-- KEYS  1 meta  2 pins
-- ARGV  1 room  2 JSON of the rest of the pin  3 most pins
-- Reply {'ok', ver}
--       {'full'}   as many rooms are pinned as may be
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 0 and redis.call('HLEN', KEYS[2]) >= tonumber(ARGV[3]) then
  return { 'full' }
end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
return { 'ok', string.format('%.0f', redis.call('HINCRBY', KEYS[1], 'ver', 1)) }
