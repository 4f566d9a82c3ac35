-- Appends a batch to a room's log. In this order: is this the owner; is the batch a repetition or late; is the stored head the one
-- that the owner committed, and does the log end there; then each item; then what is trimmed, forgotten and stored.
--
-- A log ends at the head or is empty. Empty with a head above 0 is in order: the room was not logged before, its owner numbers on
-- from memory, or all of it was trimmed. A claim, release or transfer after which a log would end elsewhere drops it, so a log that
-- ends elsewhere was tampered with or belongs to other data than the record: `rolled-back`, and nothing is written. One that is empty
-- but was longer refuses the first XADD, which is tried before anything is written.
-- KEYS  1 owner  2 log  3 senders  4 order  5 state
-- ARGV  1 incarnation  2 epoch  3 nonce  4 batch  5 head  6 most entries kept  7 longest ms kept  8 most senders kept
--       9 '1' if there is a snapshot, else '0'  10 the snapshot  11 number of items, then of each:
--       sender, seat, cseq, id, kind, user, session, data   kind: 1 if there is a message, plus 2 if its sender should be known
--       then senders to forget
-- Reply {'appended', head, at, evicted, outcomes}   outcomes: one word an item, `l<seq>` logged, `d<seq>` duplicate, `u` unknown
--       {'fenced', record}      the record does not hold this triple; record is read-room's
--       {'fenced'}              there is no record
--       {'rolled-back', head}   where the stored head, or the log, is
--       {'late'}                a later batch of this triple was appended
--@include room-record
--@include log-entry
--@include sender-mark
local PARTS = 8
local AGE_EVERY = 64
local PAGE = 100

local stored = redis.call('HMGET', KEYS[1], 'incarnation', 'epoch', 'nonce', 'head', 'batch')
if stored[1] ~= ARGV[1] or stored[2] ~= ARGV[2] or stored[3] ~= ARGV[3] then
  local record = read_room(KEYS[1])
  if record then
    return { 'fenced', record }
  end
  return { 'fenced' }
end
local batch = tonumber(ARGV[4])
if stored[5] and batch <= tonumber(stored[5]) then
  if batch < tonumber(stored[5]) then
    return { 'late' }
  end
  local answer = redis.call('HGET', KEYS[1], 'answer')
  -- Written again as it is: a WAIT asks about the last write of its own connection, which may be another than that of the first time.
  redis.call('HSET', KEYS[1], 'answer', answer)
  local head, at, evicted, outcomes = string.match(answer, '^(%d+) (%d+) (%d+) (.*)$')
  return { 'appended', head, at, evicted, outcomes }
end
if stored[4] ~= ARGV[5] then
  return { 'rolled-back', stored[4] }
end
local log_at = log_end(KEYS[2])
if log_at and log_at ~= ARGV[5] then
  return { 'rolled-back', log_at }
end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local at = string.format('%.0f', now)
local tag = ARGV[2] .. '.' .. ARGV[3]
local head = tonumber(ARGV[5])
local count = tonumber(ARGV[11])

-- Marks of the batch's senders, each read once and written once.
local marks = {}
local changed = {}
local used = {}
local names = {}
for i = 1, count do
  local sender = ARGV[12 + (i - 1) * PARTS]
  if not used[sender] then
    used[sender] = true
    names[#names + 1] = sender
  end
end
if #names > 0 then
  local texts = redis.call('HMGET', KEYS[3], unpack(names))
  for i = 1, #names do
    marks[names[i]] = texts[i] and parse_mark(texts[i]) or nil
  end
end

local function judge(mark, seat, cseq, id, kind)
  if not mark then
    return kind >= 2 and id > 1 and 'unknown' or 'new'
  end
  if id > 0 then
    return id <= mark.id and 'duplicate' or 'new'
  end
  return (seat < mark.seat or (seat == mark.seat and cseq <= mark.cseq)) and 'duplicate' or 'new'
end

local outcomes = {}
-- `session id` → places in `outcomes` of duplicates whose seq is to be found in the log.
local sought = {}
local seeking = 0
local added = false
for i = 1, count do
  local p = 12 + (i - 1) * PARTS
  local sender, seat, cseq, id, kind = ARGV[p], tonumber(ARGV[p + 1]), tonumber(ARGV[p + 2]), tonumber(ARGV[p + 3]), tonumber(ARGV[p + 4])
  local mark = marks[sender]
  local verdict = judge(mark, seat, cseq, id, kind)
  if verdict == 'duplicate' then
    local seq = 0
    if id > 0 and id == mark.id then
      seq = mark.seq
    elseif id > 0 then
      local key = sender .. ' ' .. ARGV[p + 3]
      sought[key] = sought[key] or {}
      table.insert(sought[key], i)
      seeking = seeking + 1
    end
    outcomes[i] = string.format('d%.0f', seq)
  else
    local seq = 0
    if verdict == 'new' and kind % 2 == 1 then
      seq = head + 1
      local call = added and redis.call or redis.pcall
      local reply = call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[6], string.format('%.0f-0', seq),
        entry_fields(tag, ARGV[p + 6], id > 0 and ARGV[p + 3] or '', ARGV[p + 5], at, ARGV[p + 7]))
      if type(reply) == 'table' and reply.err then
        if not string.find(reply.err, 'equal or smaller', 1, true) then
          return reply
        end
        local info = redis.call('XINFO', 'STREAM', KEYS[2])
        for field = 1, #info, 2 do
          if info[field] == 'last-generated-id' then
            return { 'rolled-back', string.match(info[field + 1], '^(%d+)') }
          end
        end
      end
      added = true
      head = seq
    end
    outcomes[i] = verdict == 'new' and string.format('l%.0f', head) or 'u'
    marks[sender] = merge_mark(mark, seat, cseq, id, seq)
    changed[sender] = true
  end
  used[sender] = head
end

-- Entries are in the order of their time, so that the first young one is found by halving.
local function trim_by_age(before)
  local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
  if not oldest or tonumber(oldest[2][10]) >= before then
    return
  end
  local old = tonumber(seq_of(oldest))
  local young = head + 1
  while young - old > 1 do
    local middle = math.floor((old + young) / 2)
    local entry = redis.call('XRANGE', KEYS[2], string.format('%.0f-0', middle), '+', 'COUNT', 1)[1]
    if entry and tonumber(entry[2][10]) < before then
      old = middle
    else
      young = middle
    end
  end
  redis.call('XTRIM', KEYS[2], 'MINID', string.format('%.0f-0', young))
end
if batch % AGE_EVERY == 0 then
  trim_by_age(now - tonumber(ARGV[7]))
end

-- One walk backwards for all that is sought, bounded by the log's length.
local to = '+'
while seeking > 0 do
  local page = redis.call('XREVRANGE', KEYS[2], to, '-', 'COUNT', PAGE)
  for i = 1, #page do
    local f = page[i][2]
    local places = sought[f[4] .. ' ' .. f[6]]
    if places then
      for _, place in ipairs(places) do
        outcomes[place] = 'd' .. seq_of(page[i])
        seeking = seeking - 1
      end
      sought[f[4] .. ' ' .. f[6]] = nil
    end
  end
  if #page < PAGE then
    break
  end
  to = string.format('%.0f-0', tonumber(seq_of(page[PAGE])) - 1)
end

if #names > 0 then
  local texts = {}
  local scores = {}
  for _, sender in ipairs(names) do
    if changed[sender] then
      texts[#texts + 1] = sender
      texts[#texts + 1] = mark_text(marks[sender])
    end
    scores[#scores + 1] = order_score(sender, used[sender])
    scores[#scores + 1] = sender
  end
  if #texts > 0 then
    redis.call('HSET', KEYS[3], unpack(texts))
  end
  redis.call('ZADD', KEYS[4], unpack(scores))
end
for i = 12 + count * PARTS, #ARGV do
  redis.call('HDEL', KEYS[3], ARGV[i])
  redis.call('ZREM', KEYS[4], ARGV[i])
end
local evicted = redis.call('ZCARD', KEYS[4]) - tonumber(ARGV[8])
if evicted > 0 then
  local popped = redis.call('ZPOPMIN', KEYS[4], evicted)
  for i = 1, #popped, 2 do
    redis.call('HDEL', KEYS[3], popped[i])
  end
else
  evicted = 0
end

local head_text = string.format('%.0f', head)
if ARGV[9] == '1' then
  redis.call('SET', KEYS[5], ARGV[2] .. ' ' .. head_text .. ' ' .. ARGV[10])
end
local evicted_text = string.format('%.0f', evicted)
local words = table.concat(outcomes, ' ')
local answer = head_text .. ' ' .. at .. ' ' .. evicted_text .. ' ' .. words
redis.call('HSET', KEYS[1], 'head', head_text, 'batch', ARGV[4], 'answer', answer)
return { 'appended', head_text, at, evicted_text, words }
