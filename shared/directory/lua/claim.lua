-- Makes an incarnation the owner if the record is still what was seen, and removes the expiry that a release set. The presence
-- key is not among the keys: as a projection it keeps an expiry of its own, which each write of it sets anew.
-- KEYS  1 owner  2 log  3 senders  4 order  5 state
-- ARGV  1 run id  2 'missing' or 'record'  3 seen incarnation or ''  4 seen epoch  5 seen nonce
--       6 node  7 incarnation  8 nonce  9 floor  10 'continue' or 'restart'  11 head known to the claimer, or ''
-- Reply {'owned', record}
--       {'changed', record}   the record is not the one that was seen; record is read-room's
--       {'changed'}           there is no record any more
--       {'other-run', run id}
--@include run-id
--@include room-record
local run = run_id()
if run ~= ARGV[1] then
  return { 'other-run', run }
end
local record = read_room(KEYS[1])
if not record then
  if ARGV[2] ~= 'missing' then
    return { 'changed' }
  end
elseif ARGV[2] == 'missing' or record[2] ~= ARGV[3] or record[3] ~= ARGV[4] or record[4] ~= ARGV[5] then
  return { 'changed', record }
end
local above = tonumber(ARGV[9])
local head = '0'
local tags = ''
if record then
  above = math.max(above, tonumber(record[3]))
  if ARGV[10] == 'continue' then
    head = record[5]
    tags = record[6]
  end
end
if ARGV[10] == 'continue' then
  head = larger(head, ARGV[11])
end
for i = 1, #KEYS do
  redis.call('PERSIST', KEYS[i])
end
return { 'owned', write_owner(KEYS[1], ARGV[6], ARGV[7], above, ARGV[8], head, tags) }
