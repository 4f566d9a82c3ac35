-- Removes a router's record if it still names this incarnation and, where a counter is given, still stands at it.
-- KEYS  1 meta  2 routers
-- ARGV  1 router  2 incarnation  3 counter or ''
-- Reply {'removed', ver}
--       {'changed'}
local text = redis.call('HGET', KEYS[2], ARGV[1])
if not text then
  return { 'changed' }
end
local incarnation, counter = string.match(text, '^(%S+) (%S+) ')
if incarnation ~= ARGV[2] or (ARGV[3] ~= '' and counter ~= ARGV[3]) then
  return { 'changed' }
end
redis.call('HDEL', KEYS[2], ARGV[1])
return { 'removed', string.format('%.0f', redis.call('HINCRBY', KEYS[1], 'ver', 1)) }
