-- Appends a batch to a room's log. In this order: is this the owner; is the batch a repetition or late; is the stored head the one
-- that the owner committed, and does the log end there; then each item; then what is trimmed, forgotten and stored.
--
-- A log ends at the head or is empty. Empty with a head above 0 is in order: the room was not logged before, its owner numbers on
-- from memory, or all of it was trimmed. A claim, release or transfer after which a log would end elsewhere drops it, so a log that
-- ends elsewhere was tampered with or belongs to other data than the record: `rolled-back`, and nothing is written. To read its last
-- entry is what costs most of all here, so it is read with a triple's first batch, and whenever the head is not the one that the last
-- batch stored or the log has not as many entries as that one left. One that ends above the head refuses the first XADD, also where
-- it is empty, which is tried before anything is written.
--
-- This runs for all that is said: each command, argument, table and function counts.
-- KEYS  1 owner  2 log  3 senders, and `!` once one was forgotten  4 order  5 state
-- ARGV  1 incarnation  2 epoch  3 nonce  4 batch  5 head  6 most entries kept  7 longest ms kept  8 most senders kept
--       9 the snapshot after a space, '' for none
--       10 kinds, a digit for each item: 1 if there is a message, plus 2 if its sender should be known
--       then of each item: sender, seat, cseq, id, and `said` of its entry (see lib/log-entry), '' without a message
--       then senders to forget
-- Reply `batch entries head at evicted outcomes`, stored as it is. entries: how many the log has
--                               outcomes: `+<head before>:<kinds>` if every item was new, each message logged as the next number;
--                               else one word an item, `l<seq>` logged, `d<seq>` duplicate, `u` unknown
--       {'fenced', record}      the record does not hold this triple; record is read-room's
--       {'fenced'}              there is no record
--       {'rolled-back', head}   where the stored head, or the log, is
--       {'late'}                a later batch of this triple was appended
local ITEMS_FROM = 11
local PARTS = 5
-- The log is trimmed once it has this part more entries than are to be kept, and then down to those: Redis drops whole pages of it.
local SLACK = 1 / 16
local AGE_EVERY = 64
local PAGE = 100
local call = redis.call

local stored = call('HMGET', KEYS[1], 'incarnation', 'epoch', 'nonce', 'head', 'last')
if stored[1] ~= ARGV[1] or stored[2] ~= ARGV[2] or stored[3] ~= ARGV[3] then
  --@include room-record
  return { 'fenced', read_room(KEYS[1]) or nil }
end
local batch = tonumber(ARGV[4])
local last = stored[5]
local left, left_at
if last then
  local number
  number, left, left_at = string.match(last, '^(%d+) (%d+) (%d+)')
  number = tonumber(number)
  if batch < number then
    return { 'late' }
  end
  if batch == number then
    -- Written again as it is: a WAIT asks about the last write of its own connection, which may be another than that of the first time.
    call('HSET', KEYS[1], 'last', last)
    return last
  end
end
if stored[4] ~= ARGV[5] then
  return { 'rolled-back', stored[4] }
end
local entries = call('XLEN', KEYS[2])
if left_at ~= ARGV[5] or tonumber(left) ~= entries then
  --@include log-entry
  local log_at = log_end(KEYS[2])
  if log_at and log_at ~= ARGV[5] then
    return { 'rolled-back', log_at }
  end
end

local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local at = string.format('%.0f', now)
local under = ARGV[2] .. '.' .. ARGV[3] .. ' ' .. at
local head = tonumber(ARGV[5])
local head_text = ARGV[5]
local kinds = ARGV[10]
local count = #kinds

-- The batch's senders, each with its mark as text: read once, written once.
local names = {}
local marks = {}
-- Where the head was when each was heard last, as text.
local heard = {}
if count > 0 then
  for i = 1, count do
    local sender = ARGV[ITEMS_FROM + (i - 1) * PARTS]
    if marks[sender] == nil then
      marks[sender] = false
      names[#names + 1] = sender
    end
  end
  local texts = call('HMGET', KEYS[3], unpack(names))
  for i = 1, #names do
    marks[names[i]] = texts[i]
  end
end

-- Words of all items, from the first on that was not new.
local outcomes
-- `session id` → places in `outcomes` of duplicates whose seq is to be found in the log.
local sought = {}
local seeking = 0
local changed = false
local add = redis.pcall
for i = 1, count do
  local p = ITEMS_FROM + (i - 1) * PARTS
  local sender, seat, cseq, id = ARGV[p], ARGV[p + 1], ARGV[p + 2], ARGV[p + 3]
  local kind = string.byte(kinds, i) - 48
  local mark = marks[sender]
  local mark_seat, mark_cseq, mark_id, mark_seq
  local word = 'l'
  local is_later, is_higher = true, true
  if mark then
    mark_seat, mark_cseq, mark_id, mark_seq = string.match(mark, '^(%d+) (%d+) (%d+) (%d+)$')
    local by = tonumber(seat) - mark_seat
    is_later = by > 0 or (by == 0 and tonumber(cseq) > tonumber(mark_cseq))
    is_higher = tonumber(id) > tonumber(mark_id)
    if id ~= '0' and not is_higher or id == '0' and not is_later then
      word = 'd'
    end
  elseif kind >= 2 and tonumber(id) > 1 then
    word = 'u'
  end
  if word ~= 'l' and not outcomes then
    outcomes = {}
    local seq = tonumber(ARGV[5])
    for before = 1, i - 1 do
      seq = seq + string.byte(kinds, before) % 2
      outcomes[before] = string.format('l%.0f', seq)
    end
  end
  if word == 'd' then
    local seq = '0'
    if id == mark_id and id ~= '0' then
      seq = mark_seq
    elseif id ~= '0' then
      local key = sender .. ' ' .. id
      sought[key] = sought[key] or {}
      table.insert(sought[key], i)
      seeking = seeking + 1
    end
    word = 'd' .. seq
  else
    local seq = '0'
    if word == 'l' and kind % 2 == 1 then
      seq = string.format('%.0f', head + 1)
      local reply = add('XADD', KEYS[2], seq .. '-0', 'under', under, 'said', ARGV[p + 4])
      if type(reply) == 'table' and reply.err then
        if not string.find(reply.err, 'equal or smaller', 1, true) then
          return reply
        end
        local info = call('XINFO', 'STREAM', KEYS[2])
        for field = 1, #info, 2 do
          if info[field] == 'last-generated-id' then
            return { 'rolled-back', string.match(info[field + 1], '^(%d+)') }
          end
        end
      end
      add = call
      head = head + 1
      head_text = seq
      entries = entries + 1
    end
    if word == 'l' then
      word = outcomes and 'l' .. head_text
    end
    -- The later frame and the higher id of the two, as lib/sender-mark merges them.
    if is_later then
      mark_seat, mark_cseq = seat, cseq
    end
    if is_higher then
      mark_id, mark_seq = id, seq
    end
    marks[sender] = mark_seat .. ' ' .. mark_cseq .. ' ' .. mark_id .. ' ' .. mark_seq
    changed = true
  end
  if outcomes then
    outcomes[i] = word
  end
  heard[sender] = head_text
end

local most = tonumber(ARGV[6])
if entries > most + math.floor(most * SLACK) then
  entries = entries - call('XTRIM', KEYS[2], 'MAXLEN', '~', ARGV[6])
end
if batch % AGE_EVERY == 0 then
  --@include log-entry
  -- Entries are in the order of their time, so that the first young one is found by halving.
  local before = now - tonumber(ARGV[7])
  local oldest = call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
  if oldest and at_of(oldest) < before then
    local old = tonumber(seq_of(oldest))
    local young = head + 1
    while young - old > 1 do
      local middle = math.floor((old + young) / 2)
      local entry = call('XRANGE', KEYS[2], string.format('%.0f-0', middle), '+', 'COUNT', 1)[1]
      if entry and at_of(entry) < before then
        old = middle
      else
        young = middle
      end
    end
    entries = entries - call('XTRIM', KEYS[2], 'MINID', string.format('%.0f-0', young))
  end
end

-- One walk backwards for all that is sought, bounded by the log's length.
if seeking > 0 then
  --@include log-entry
  local to = '+'
  while seeking > 0 do
    local page = call('XREVRANGE', KEYS[2], to, '-', 'COUNT', PAGE)
    for i = 1, #page do
      local key = string.match(page[i][2][4], '^(%S* %S*) ')
      local places = sought[key]
      if places then
        for _, place in ipairs(places) do
          outcomes[place] = 'd' .. seq_of(page[i])
          seeking = seeking - 1
        end
        sought[key] = nil
      end
    end
    if #page < PAGE then
      break
    end
    to = string.format('%.0f-0', tonumber(seq_of(page[PAGE])) - 1)
  end
end

if count > 0 then
  if changed then
    local texts = {}
    for i = 1, #names do
      texts[2 * i - 1] = names[i]
      texts[2 * i] = marks[names[i]]
    end
    call('HSET', KEYS[3], unpack(texts))
  end
  --@include sender-order
  local scores = {}
  for i = 1, #names do
    scores[2 * i - 1] = order_score(names[i], heard[names[i]])
    scores[2 * i] = names[i]
  end
  call('ZADD', KEYS[4], unpack(scores))
end
for i = ITEMS_FROM + count * PARTS, #ARGV do
  call('HDEL', KEYS[3], ARGV[i])
  call('ZREM', KEYS[4], ARGV[i])
end
local evicted = call('ZCARD', KEYS[4]) - tonumber(ARGV[8])
if evicted > 0 then
  local popped = call('ZPOPMIN', KEYS[4], evicted)
  for i = 1, #popped, 2 do
    call('HDEL', KEYS[3], popped[i])
  end
else
  evicted = 0
end
-- With the same write as what it tells of: who has no mark from now on may have spoken all the same. It has no place in the order, so
-- it is not evicted.
if evicted > 0 or #ARGV >= ITEMS_FROM + count * PARTS then
  call('HSET', KEYS[3], '!', '1 1 0 0')
end

if ARGV[9] ~= '' then
  call('SET', KEYS[5], ARGV[2] .. ' ' .. head_text .. ARGV[9])
end
local words = outcomes and table.concat(outcomes, ' ') or '+' .. ARGV[5] .. ':' .. kinds
last = string.format('%s %.0f %s %s %.0f %s', ARGV[4], entries, head_text, at, evicted, words)
call('HSET', KEYS[1], 'head', head_text, 'last', last)
return last
