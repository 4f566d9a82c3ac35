-- A sender's mark is stored as `seat cseq id seq`: the last frame of its highest seat, its highest id and that id's seq.
local function parse_mark(text)
  local seat, cseq, id, seq = string.match(text, '^(%d+) (%d+) (%d+) (%d+)$')
  return { seat = tonumber(seat), cseq = tonumber(cseq), id = tonumber(id), seq = tonumber(seq) }
end

local function mark_text(mark)
  return string.format('%.0f %.0f %.0f %.0f', mark.seat, mark.cseq, mark.id, mark.seq)
end

-- The later frame and the higher id of two marks of one sender; `mark` may be nil.
local function merge_mark(mark, seat, cseq, id, seq)
  if not mark then
    return { seat = seat, cseq = cseq, id = id, seq = seq }
  end
  local merged = { seat = mark.seat, cseq = mark.cseq, id = mark.id, seq = mark.seq }
  if seat > mark.seat or (seat == mark.seat and cseq > mark.cseq) then
    merged.seat = seat
    merged.cseq = cseq
  end
  if id > mark.id then
    merged.id = id
    merged.seq = seq
  end
  return merged
end
