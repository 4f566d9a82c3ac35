-- Lets all keys of a room expire at one moment while its record goes on naming its owner, who is certified. Where the record expires
-- already the others are given its moment: what that owner sent late may have made one of them anew, without an expiry.
-- The presence key is not among them: as a projection it keeps an expiry of its own, which is shorter.
-- KEYS  1 owner  2 log  3 senders  4 order  5 state
-- ARGV  1 run id  2 incarnation  3 epoch  4 nonce  5 ms until the keys expire
-- Reply {'expires'}
--       {'expiring'}           the record had an expiry
--       {'changed'}            the record does not hold this triple, or there is none
--       {'other-run', run id}
--@include run-id
local run = run_id()
if run ~= ARGV[1] then
  return { 'other-run', run }
end
local stored = redis.call('HMGET', KEYS[1], 'incarnation', 'epoch', 'nonce')
if stored[1] ~= ARGV[2] or stored[2] ~= ARGV[3] or stored[3] ~= ARGV[4] then
  return { 'changed' }
end
local left = redis.call('PTTL', KEYS[1])
local time = redis.call('TIME')
local at = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + (left >= 0 and left or tonumber(ARGV[5]))
for i = 1, #KEYS do
  redis.call('PEXPIREAT', KEYS[i], string.format('%.0f', at))
end
return { left >= 0 and 'expiring' or 'expires' }
