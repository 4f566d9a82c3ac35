-- Writes a user's sessions, each stored as `epoch` on the first line and its JSON after it. A set or remove takes effect only if
-- the stored entry's epoch is not higher. The key's expiry is moved when at least one set took effect.
-- KEYS  1 user
-- ARGV  1 ms until the key expires  2 number of removals, then pairs session, epoch, then triples session, epoch, JSON
-- Reply {'written', number of sets and removals that did not take effect}
local function is_stale(session, epoch)
  local text = redis.call('HGET', KEYS[1], session)
  return text and tonumber(string.match(text, '^(%d+)')) > tonumber(epoch)
end
local stale = 0
local wrote = false
local removals = tonumber(ARGV[2])
for i = 3, 2 + 2 * removals, 2 do
  if is_stale(ARGV[i], ARGV[i + 1]) then
    stale = stale + 1
  else
    redis.call('HDEL', KEYS[1], ARGV[i])
  end
end
for i = 3 + 2 * removals, #ARGV - 2, 3 do
  if is_stale(ARGV[i], ARGV[i + 1]) then
    stale = stale + 1
  else
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1] .. '\n' .. ARGV[i + 2])
    wrote = true
  end
end
if wrote then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return { 'written', string.format('%.0f', stale) }
