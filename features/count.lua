-- Counts one call of one source partition, atomically: all of its clicks, or nothing.
--
-- KEYS  1 watermark, 2 stored answers, then every account, IP and IP + user agent of the call, each once
-- ARGV  1 expected watermark ('' if absent)  2 new watermark  3 acknowledged  4 TTL in seconds  5 most stored answers
--       6 offsets of the clicks (opaque here)  7 the visits, little-endian:
--           u16 clicks, accounts, IPs, IP + UAs; then for each key in order u16 visits, and for each visit
--           account    u16 click, f64 ms, 8 bytes of the session, 8 bytes of the campaign, u8 IP's slot, u8 campaign's
--           IP         u16 click, f64 ms, u8 session's slot, u8 user's slot (255: no user)
--           IP + UA    u16 click, f64 ms
-- Reply: the answers in the order of the clicks; or {watermark or false} if that is not what the call expects.
--
-- Redis does not roll back. So all is counted before the first write, a value that is no state of ours counts as none,
-- and the first write is one that a full or read-only server refuses.

local call = redis.call

local watermark = redis.pcall('GET', KEYS[1])
if type(watermark) ~= 'string' or not string.find(watermark, '^-?%d+$') then watermark = false end
if (watermark or '') ~= ARGV[1] then return {watermark} end

local visits, at = ARGV[7], 9
local n_clicks, n_accounts, n_ips, n_ip_uas = read('<HHHH', visits)
local states, answers = {}, {}
if n_clicks > 0 then states = call('MGET', unpack(KEYS, 3)) end

-- New states by key, and whether their TTL starts anew: when new, and once in 12 h of event time.
local RENEWAL_MS = 43200000
local written, renewed = {}, {}
local function write(k, state, before, newest)
  written[k], renewed[k] = state, floor(before / RENEWAL_MS) ~= floor(newest / RENEWAL_MS)
end

local function next_visits()
  local n = read('<H', visits, at)
  at = at + 2
  return n
end

for k = 1, n_accounts do
  local entity, sessions, campaigns = read_account(states[k])
  local first, last
  for _ = 1, next_visits() do
    local click, t, session, campaign, ip_slot, campaign_slot = read('<Hdc8c8BB', visits, at)
    local of_account, of_session, of_campaign, before, newest
    at = at + 28
    if entity[1] and not within_reach(t, newest_of(entity[1])) then
      of_account = answer_of(entity[1], t)
      of_session, of_campaign = peek_latest(sessions, session, t), peek_latest(campaigns, campaign, t)
    else
      of_account, before, newest = count_entity(entity, t, ip_slot, campaign_slot)
      if floor(before / LONGEST_TILE_MS) ~= floor(newest / LONGEST_TILE_MS) then
        forget(sessions, newest)
        forget(campaigns, newest)
      end
      of_session = count_latest(sessions, SESSIONS_KEPT, session, t)
      of_campaign = count_latest(campaigns, CAMPAIGNS_KEPT, campaign, t)
      first, last = first or before, newest
    end
    answers[3 * click + 1] = of_account .. of_session .. of_campaign .. occupied(entity)
  end
  if last then write(k, account_bytes(entity, sessions, campaigns), first, last) end
end

for k = n_accounts + 1, n_accounts + n_ips do
  local entity, behind = read_entity(states[k])
  local first, last
  if not entity or behind ~= #states[k] + 1 then entity = new_entity() end
  for _ = 1, next_visits() do
    local click, t, session_slot, user_slot = read('<HdBB', visits, at)
    local answer, before
    at = at + 12
    answer, before, last = count_entity(entity, t, session_slot, user_slot)
    first = first or before
    answers[3 * click + 2] = answer .. occupied(entity)
  end
  write(k, entity_bytes(entity), first, last)
end

for k = n_accounts + n_ips + 1, n_accounts + n_ips + n_ip_uas do
  local counter = states[k]
  local first, last
  if counter and counter_length(counter, 1) ~= #counter then counter = false end
  for _ = 1, next_visits() do
    local click, t = read('<Hd', visits, at)
    local before
    at = at + 10
    counter, answers[3 * click + 3], before, last = count(counter, t)
    first = first or before
  end
  write(k, counter, first, last)
end

call('SET', KEYS[1], ARGV[2])
for k = 1, #KEYS - 2 do
  local state = written[k]
  if renewed[k] then
    call('SET', KEYS[k + 2], state, 'EX', ARGV[4])
  elseif state then
    call('SET', KEYS[k + 2], state, 'KEEPTTL')
  end
end
local reply = concat(answers)

-- Stored answers are a list of calls, two elements each: a header (f64 watermark, clicks, clicks of all calls so far),
-- then the offsets and the answers.
local stored, acknowledged, most = KEYS[2], tonumber(ARGV[3]), tonumber(ARGV[5])
local function header(index)
  local found = redis.pcall('LINDEX', stored, index)
  if type(found) == 'string' and #found == 24 then return read('<ddd', found) end
  if found then call('DEL', stored) end
end
local function drop_oldest()
  call('LPOP', stored)
  call('LPOP', stored)
  return header(0)
end

local oldest, oldest_clicks, oldest_sum = header(0)
while oldest and oldest <= acknowledged do oldest, oldest_clicks, oldest_sum = drop_oldest() end
if n_clicks > 0 and tonumber(ARGV[2]) > acknowledged then
  local _, _, sum = header(-2)
  sum = (sum or 0) + n_clicks
  call('RPUSH', stored, pack('<ddd', ARGV[2], n_clicks, sum), ARGV[6] .. reply)
  if not oldest then _, oldest_clicks, oldest_sum = header(0) end
  while oldest_sum and sum - oldest_sum + oldest_clicks > most do _, oldest_clicks, oldest_sum = drop_oldest() end
end
return reply
