-- Counters: the bytes of layout.py, counted in as windows.py does it, bit for bit.

local byte, char, sub, rep, concat = string.byte, string.char, string.sub, string.rep, table.concat
local pack, read, floor = struct.pack, struct.unpack, math.floor

local TILE_MS, SPANS, WHOLE_TILES, MOST_TILES = 10000, {1, 10, 60, 1440}, 6, 28
local LONGEST_TILE_MS = 14400000
-- The answer (float32 clicks in 4 windows, gap) of a first click, and of a counter that is none.
local FIRST_ANSWER, NO_ANSWER = pack('<fffff', 1, 1, 1, 1, -1), pack('<fffff', 0, 0, 0, 0, -1)
local BEYOND_ALL_TILES = -1e9

-- Formats of a counter of n tiles: what follows its first byte, to read; all of it, to write.
local TO_READ, TO_WRITE = {}, {}
local function format_of(known, head, n)
  local format = known[n]
  if not format then
    format = head .. rep('I', 2 * n)
    known[n] = format
  end
  return format
end

local function within_reach(t, newest)
  return newest - newest % LONGEST_TILE_MS - t + t % LONGEST_TILE_MS <= WHOLE_TILES * LONGEST_TILE_MS
end

-- Length of the counter at position `p` of `s`; false if there is none that ends within `s`.
local function counter_length(s, p)
  local n = byte(s, p)
  return n and n > 0 and n <= MOST_TILES and p + 2 + 8 * n <= #s and 3 + 8 * n
end

local function newest_of(counter)
  local within, tile = read('<HI', counter, 2)
  return tile * TILE_MS + within
end

-- Enter a late click. `tiles` has start, clicks, start, clicks, ... from 2 on and ends with BEYOND_ALL_TILES.
local function enter(tiles, tile, last)
  for w = 1, 4 do
    local span = SPANS[w]
    local start = tile - tile % span
    if tiles[2] - tiles[2] % span - start <= WHOLE_TILES * span then
      local i = 2
      while tiles[i] > start do i = i + 2 end
      if tiles[i] == start then
        tiles[i + 1] = tiles[i + 1] + 1
      else
        for j = last, i, -1 do tiles[j + 2] = tiles[j] end
        tiles[i], tiles[i + 1] = start, 1
      end
      return
    end
  end
end

-- Count a click at `t` in the counter at the beginning of `s`, or in a new one if `s` is false.
-- Returns the counter, the answer (20 bytes), the newest click before and after.
local kept, clicks = {}, {}
local function count(s, t)
  local tile = floor(t / TILE_MS)
  if not s then return pack('<BHII', 1, t % TILE_MS, tile, 1), FIRST_ANSWER, 0, t end
  local n = byte(s)
  local tiles = {read(format_of(TO_READ, '<H', n), s, 2)}
  local before = tiles[2] * TILE_MS + tiles[1]
  local newest, gap = before, 0
  local k, i, total = 0, 2, 0
  tiles[2 * n + 2] = BEYOND_ALL_TILES
  if t < before then
    gap = (before - t) / 1000
    enter(tiles, tile, 2 * n + 2)
    tile = tiles[2]
  elseif not within_reach(before, t) then
    return pack('<BHII', 1, t % TILE_MS, tile, 1), FIRST_ANSWER, before, t
  else
    newest, gap = t, (t - before) / 1000
    if tile == tiles[2] then
      tiles[3] = tiles[3] + 1
    else
      kept[1], kept[2], k, total = tile, 1, 2, 1
    end
  end
  -- From the newest tile to the oldest: each goes where it is kept from now on, and into the windows' counts.
  local start = tiles[2]
  for w = 1, 4 do
    local span = SPANS[w]
    local tile_ms = span * TILE_MS
    local seventh = tile - tile % span - WHOLE_TILES * span
    local passing, whole = seventh + span, total
    while start >= seventh do
      local n_clicks, place = tiles[i + 1], start - start % span
      total = total + n_clicks
      if start >= passing then whole = total end
      if kept[k - 1] == place then
        kept[k] = kept[k] + n_clicks
      else
        k = k + 2
        kept[k - 1], kept[k] = place, n_clicks
      end
      i = i + 2
      start = tiles[i]
    end
    clicks[w] = whole + (1 - newest % tile_ms / tile_ms) * (total - whole)
  end
  return pack(format_of(TO_WRITE, '<BH', k / 2), k / 2, newest % TILE_MS, unpack(kept, 1, k)),
    pack('<fffff', clicks[1], clicks[2], clicks[3], clicks[4], gap), before, newest
end

-- The answer of a counter to a click of `t`, older than all that it keeps, without counting anything.
local function answer_of(counter, t)
  local _, answer, newest = count(counter, 0)
  return sub(answer, 1, 16) .. pack('<f', (newest - t) / 1000)
end
