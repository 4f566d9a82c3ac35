-- Adds events to what webhooks have to tell of a room, together with the change of who is there that each of them tells.
-- What was added before, by a write whose answer was lost, is not added again: ids only grow.
-- KEYS  1 told  2 outbox
-- ARGV  1 epoch  2 ms until both expire  3 most events kept, the oldest go
--       4 on: of each event its id `epoch-number`, '+' | '-' | '' for who is there, session or '', user or '', JSON or ''
-- Reply {'written', number of events that had to go}
--       {'stale', epoch}   a higher epoch has written
local stored = redis.call('HGET', KEYS[1], '*')
if stored and tonumber(stored) > tonumber(ARGV[1]) then
  return { 'stale', stored }
end
redis.call('HSET', KEYS[1], '*', ARGV[1])
for i = 4, #ARGV - 4, 5 do
  local id, change, session = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if change == '+' then
    redis.call('HSET', KEYS[1], session, ARGV[i + 3])
  elseif change == '-' then
    redis.call('HDEL', KEYS[1], session)
  end
  if ARGV[i + 4] ~= '' then
    local added = redis.pcall('XADD', KEYS[2], id, 'event', ARGV[i + 4])
    if type(added) == 'table' and added.err and not string.find(added.err, 'equal or smaller', 1, true) then
      return added
    end
  end
end
local excess = redis.call('XTRIM', KEYS[2], 'MAXLEN', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return { 'written', tostring(excess) }
