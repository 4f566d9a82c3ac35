-- Lets go of what every receiver of webhooks has of a room. A room of which nothing is left to tell, and in which nobody is, is
-- forgotten soon.
-- KEYS  1 told  2 outbox
-- ARGV  1 epoch  2 number, of the last event that goes  3 ms until a room of which nothing is left is forgotten
-- Reply {'trimmed', number of events left}
redis.call('XTRIM', KEYS[2], 'MINID', string.format('%s-%.0f', ARGV[1], tonumber(ARGV[2]) + 1))
local left = redis.call('XLEN', KEYS[2])
if left == 0 and redis.call('HLEN', KEYS[1]) <= 1 then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  redis.call('PEXPIRE', KEYS[2], ARGV[3])
end
return { 'trimmed', tostring(left) }
