-- Makes an incarnation the owner if the record is still what was seen, puts back what it gives of the log, and removes the expiry
-- that a release or expire-room set. A log that would not end at the head is dropped; `restart` drops all that belongs to it. The presence key is
-- not among the keys: as a projection it keeps an expiry of its own, which each write of it sets anew.
-- KEYS  1 owner  2 log  3 senders  4 order  5 state
-- ARGV  1 run id  2 'missing' or 'record'  3 seen incarnation or ''  4 seen epoch  5 seen nonce
--       6 node  7 incarnation  8 nonce  9 floor  10 'continue' or 'restart'  11 head known to the claimer, or ''
--       12 most entries to be read of the log, or ''  13 most bytes of their data
--       14 '' or what is put back: see restore
-- Reply {'owned', record}
--       {'owned', record, {first, entries, senders, snapshot or ''}}   what is read of the log: see lib/open-log
--       {'changed', record}   the record is not the one that was seen; record is read-room's
--       {'changed'}           there is no record any more
--       {'other-run', run id}
--@include run-id
--@include room-record
--@include log-entry
--@include sender-mark
--@include sender-order
--@include restore
--@include open-log
local run = run_id()
if run ~= ARGV[1] then
  return { 'other-run', run }
end
local record = read_room(KEYS[1])
if not record then
  if ARGV[2] ~= 'missing' then
    return { 'changed' }
  end
  -- A Redis beyond its maxmemory refuses a script's first write, if it takes room, and none after it. New rooms are to be refused.
  redis.call('HSET', KEYS[1], 'epoch', '0')
elseif ARGV[2] == 'missing' or record[2] ~= ARGV[3] or record[3] ~= ARGV[4] or record[4] ~= ARGV[5] then
  return { 'changed', record }
end
local above = tonumber(ARGV[9])
local head = '0'
local tags = ''
if record then
  above = math.max(above, tonumber(record[3]))
  if ARGV[10] == 'continue' then
    head = RESTORE == 'afresh' and '0' or record[5]
    tags = record[6]
  end
end
if ARGV[10] == 'continue' then
  head = larger(head, ARGV[11])
  tags = restored_tags(tags)
else
  redis.call('DEL', KEYS[2], KEYS[3], KEYS[4], KEYS[5])
end
if RESTORE ~= '' then
  restore_log(KEYS[2], KEYS[3], KEYS[4], head)
end
drop_unless_at(KEYS[2], head)
for i = 1, #KEYS do
  redis.call('PERSIST', KEYS[i])
end
local owned = { 'owned', write_owner(KEYS[1], ARGV[6], ARGV[7], above, ARGV[8], head, tags) }
if ARGV[12] ~= '' then
  owned[3] = open_log(KEYS[2], KEYS[3], KEYS[5], head, tonumber(ARGV[12]), tonumber(ARGV[13]))
end
return owned
