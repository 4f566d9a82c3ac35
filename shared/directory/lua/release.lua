-- Gives an empty room up: clears the owner, keeps epoch, nonce and tags, and lets all keys of the room expire at one moment. The
-- presence key is not among them: as a projection it keeps an expiry of its own, which is shorter.
-- KEYS  1 owner  2 log  3 senders  4 order  5 state
-- ARGV  1 incarnation  2 epoch  3 nonce  4 head  5 ms until the keys expire  6 '1' if the room is logged, else '0'
-- Reply {'released'}
--       {'changed', record}   the record does not hold this triple; record is read-room's
--       {'changed'}           there is no record
--       {'rolled-back', head} the room is logged, and its stored head is below: Redis has lost some of it; nothing is written
--@include room-record
--@include log-entry
local record = read_room(KEYS[1])
if not record then
  return { 'changed' }
end
if record[2] ~= ARGV[1] or record[3] ~= ARGV[2] or record[4] ~= ARGV[3] then
  return { 'changed', record }
end
if ARGV[6] == '1' and tonumber(record[5]) < tonumber(ARGV[4]) then
  return { 'rolled-back', record[5] }
end
redis.call('HDEL', KEYS[1], 'node', 'incarnation')
local head = larger(record[5], ARGV[4])
redis.call('HSET', KEYS[1], 'head', head)
drop_unless_at(KEYS[2], head)
local time = redis.call('TIME')
local at = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + tonumber(ARGV[5])
for i = 1, #KEYS do
  redis.call('PEXPIREAT', KEYS[i], string.format('%.0f', at))
end
return { 'released' }
