-- States of accounts and IPs: the bytes of layout.py, counted in as states.py does it.
-- An entity is {counter or false, first sketch's slots within 1 h, first sketch, second sketch's, second sketch}.

local SESSIONS_KEPT, CAMPAIGNS_KEPT, NAME_BYTES = 2, 4, 8

local function new_entity()
  return {false, 0, '', 0, ''}
end

-- The entity at the beginning of `s` and the position behind it; nil if there is none.
local function read_entity(s)
  local length = s and counter_length(s, 1)
  if length and #s >= length + 4 then
    local hour1, day1, hour2, day2 = byte(s, length + 1, length + 4)
    local first = length + 5
    local second = first + 2 * day1
    local behind = second + 2 * day2
    if behind <= #s + 1 then
      return {s, hour1, sub(s, first, second - 1), hour2, sub(s, second, behind - 1)}, behind
    end
  end
end

local function occupied(entity)
  return char(entity[2], #entity[3] / 2, entity[4], #entity[5] / 2)
end

local function entity_bytes(entity)
  return entity[1] .. occupied(entity) .. entity[3] .. entity[5]
end

-- Count a click that hits `slot1` and `slot2`. Returns the answer (20 bytes), the newest click before and after.
local function count_entity(entity, t, slot1, slot2)
  local counter, answer, before, newest = count(entity[1], t)
  local passed, now = floor(before / QUANTUM_MS), floor(newest / QUANTUM_MS)
  local age = now - floor(t / QUANTUM_MS)
  entity[1] = counter
  if now ~= passed then
    entity[3], entity[2] = advance(entity[3], passed, now)
    entity[5], entity[4] = advance(entity[5], passed, now)
  end
  entity[3], entity[2] = hit(entity[3], entity[2], slot1, age, now)
  if slot2 ~= NO_SLOT then entity[5], entity[4] = hit(entity[5], entity[4], slot2, age, now) end
  return answer, before, newest
end

-- An account's sessions or campaigns: names and counters by turns, in the order in which they got a place.
-- Reads `n` of them from position `p` of `s` on. Returns them and the position behind; nil if they do not fit.
local function read_latest(s, p, n)
  local latest = {}
  for i = 1, 2 * n, 2 do
    local length = counter_length(s, p + NAME_BYTES)
    if not length then return nil end
    latest[i], latest[i + 1] = sub(s, p, p + NAME_BYTES - 1), sub(s, p + NAME_BYTES, p + NAME_BYTES + length - 1)
    p = p + NAME_BYTES + length
  end
  return latest, p
end

local function remove(latest, i)
  table.remove(latest, i)
  table.remove(latest, i)
end

-- Count a click of `name`. A newcomer takes the place of the one idle for longest, unless it is older itself.
local function count_latest(latest, places, name, t)
  local answer
  for i = 1, #latest, 2 do
    if latest[i] == name then
      latest[i + 1], answer = count(latest[i + 1], t)
      return answer
    end
  end
  if #latest == 2 * places then
    local oldest, oldest_ms = nil, t + 1
    for i = 1, #latest, 2 do
      local newest = newest_of(latest[i + 1])
      if newest < oldest_ms then oldest, oldest_ms = i, newest end
    end
    if not oldest then return FIRST_ANSWER end
    remove(latest, oldest)
  end
  local i = #latest + 1
  latest[i] = name
  latest[i + 1], answer = count(false, t)
  return answer
end

local function peek_latest(latest, name, t)
  for i = 1, #latest, 2 do
    if latest[i] == name then return answer_of(latest[i + 1], t) end
  end
  return NO_ANSWER
end

-- Forget clicks out of reach of the account's newest; who has none left gives up its place.
local function forget(latest, newest)
  for i = #latest - 1, 1, -2 do
    local n = byte(latest[i + 1])
    while n > 0 and not within_reach(read('<I', latest[i + 1], 8 * n - 4) * TILE_MS, newest) do n = n - 1 end
    if n == 0 then remove(latest, i) else latest[i + 1] = char(n) .. sub(latest[i + 1], 2, 3 + 8 * n) end
  end
end

-- An account's entity, sessions and campaigns; new ones if `s` is none.
local function read_account(s)
  local entity, p = read_entity(s)
  if entity and #s > p then
    local n_sessions, n_campaigns = byte(s, p, p + 1)
    if n_sessions <= SESSIONS_KEPT and n_campaigns <= CAMPAIGNS_KEPT then
      local sessions, campaigns
      sessions, p = read_latest(s, p + 2, n_sessions)
      if sessions then campaigns, p = read_latest(s, p, n_campaigns) end
      if campaigns and p == #s + 1 then return entity, sessions, campaigns end
    end
  end
  return new_entity(), {}, {}
end

local function account_bytes(entity, sessions, campaigns)
  return entity_bytes(entity) .. char(#sessions / 2, #campaigns / 2) .. concat(sessions) .. concat(campaigns)
end
