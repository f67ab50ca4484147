-- Sketches: the bytes of layout.py, hit as sketches.py does it. A sketch is a string of pairs (slot, stamp of its last
-- hit) in the order of the slots; beside it goes the number of its slots hit within 1 h.

local QUANTUM_MS, HOUR_AGE, LONGEST_AGE, STAMPS = 360000, 10, 240, 255
local NO_SLOT = 255

-- Let time pass from quantum `before` to `now`. Returns the sketch without what is too old, and its slots within 1 h.
local function advance(sketch, before, now)
  local passed, base = now - before, before % STAMPS + 1
  if passed >= LONGEST_AGE then return '', 0 end
  local hour, young, from = 0, '', 1
  for p = 2, #sketch, 2 do
    local age = (base - byte(sketch, p)) % STAMPS + passed
    if age < HOUR_AGE then
      hour = hour + 1
    elseif age >= LONGEST_AGE then
      young = young .. sub(sketch, from, p - 2)
      from = p + 1
    end
  end
  return young .. sub(sketch, from), hour
end

-- Position of the first pair whose slot is not below `slot`.
local function position(sketch, slot)
  local low, high = 0, #sketch / 2
  while low < high do
    local middle = floor((low + high) / 2)
    if byte(sketch, 2 * middle + 1) < slot then low = middle + 1 else high = middle end
  end
  return 2 * low + 1
end

-- Hit `slot` at `age` quanta before `now`. Returns the sketch and its slots within 1 h.
local function hit(sketch, hour, slot, age, now)
  if age >= LONGEST_AGE then return sketch, hour end
  local p, behind = position(sketch, slot), 0
  if byte(sketch, p) == slot then
    local age_before = (now % STAMPS + 1 - byte(sketch, p + 1)) % STAMPS
    if age_before <= age then return sketch, hour end
    if age_before < HOUR_AGE then hour = hour - 1 end
    behind = 2
  end
  if age < HOUR_AGE then hour = hour + 1 end
  return sub(sketch, 1, p - 1) .. char(slot, (now - age) % STAMPS + 1) .. sub(sketch, p + behind), hour
end
