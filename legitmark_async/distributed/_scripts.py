"""What Redis carries out in one piece.

The first keys are always those of `Job.keys`, which share one slot of a cluster. Every script may be run again if its
answer was lost: then it changes nothing, and answers the same.

A field of `chunks` holds `Q|items` of a chunk that is queued or under way, `D` of one that is done, `X|items` of a dead
letter with the items that have no outcome, `O` of one that is over because its drafts were submitted anew.

A field of a bucket of items holds a record, see `_records`. It begins with a letter for the state, the chunk that has
it, a dot, and the number of that chunk's turn; then comes `|`.

As many items as were counted in `items` have their outcome when all is done: `settled` counts those of a chunk, and
whatever a chunk leaves when it ends is counted as skipped.
"""

# Of what is kept of a job; a release works on no job that another one keeps in another way.
LAYOUT = 1

_KEYS = """
local job, chunks, turns, crashes, settled, causes, dead = unpack(KEYS, 1, 7)
local function unsettled(chunk)
    local items = tonumber(string.match(redis.call('HGET', chunks, chunk), '|(%d+)$')) or 0
    return items - (tonumber(redis.call('HGET', settled, chunk)) or 0)
end
local function left()
    local count = 0
    for number, name in ipairs({'items', 'created', 'failed', 'unknown', 'skipped', 'dead_items'}) do
        local part = tonumber(redis.call('HGET', job, name)) or 0
        count = count + (number == 1 and part or -part)
    end
    return count
end
local function forget(chunk)
    redis.call('HDEL', turns, chunk)
    redis.call('HDEL', crashes, chunk)
    redis.call('HDEL', settled, chunk)
    redis.call('HDEL', causes, chunk)
end
"""

# Then the key of who submits; token, now, ttl (ms), buckets, version of the ledger, whether it replaces (1), and what
# the keys of leases begin with.
# Gives the numbers of the submission and of buckets; or 0 and the ms for which another is submitting.
SUBMIT = (
    _KEYS
    + """
local holder, token = KEYS[8], ARGV[1]
local held = redis.call('GET', holder)
if held and held ~= token then return {0, redis.call('PTTL', holder)} end
redis.call('SET', holder, token, 'PX', ARGV[3])
if redis.call('HGET', job, 'submitter') ~= token then
    redis.call('HSETNX', job, 'submitted_at', ARGV[2])
    redis.call('HSETNX', job, 'buckets', ARGV[4])
    redis.call('HSETNX', job, 'version', ARGV[5])
    -- What died, and what an interrupted submission has left that nobody works on, comes again with this one.
    local replaces = ARGV[6] == '1' or redis.call('HGET', job, 'sealed') ~= '1'
    local all = redis.call('HGETALL', chunks)
    for i = 1, #all, 2 do
        local chunk, state = all[i], string.sub(all[i + 1], 1, 1)
        if state == 'X' or (state == 'Q' and replaces and redis.call('EXISTS', ARGV[7] .. chunk) == 0) then
            local items = unsettled(chunk)
            redis.call('HINCRBY', job, 'items', -items)
            redis.call('HINCRBY', job, 'chunks', -1)
            if state == 'X' then
                redis.call('HINCRBY', job, 'dead', -1)
                redis.call('HINCRBY', job, 'dead_items', -items)
                redis.call('HDEL', dead, chunk)
            end
            redis.call('HSET', chunks, chunk, 'O')
            forget(chunk)
        end
    end
    redis.call('HINCRBY', job, 'submission', 1)
    redis.call('HSET', job, 'submitter', token, 'sealed', '0')
    redis.call('HDEL', job, 'cancelled')
end
return {tonumber(redis.call('HGET', job, 'submission')), tonumber(redis.call('HGET', job, 'buckets'))}
"""
)

# Then the key of who submits; token, ttl (ms), chunk, items. Gives whether it is still this one that submits.
ADD = (
    _KEYS
    + """
local holder = KEYS[8]
if redis.call('HGET', job, 'submitter') ~= ARGV[1] then return 0 end
redis.call('SET', holder, ARGV[1], 'PX', ARGV[2])
if redis.call('HEXISTS', chunks, ARGV[3]) == 0 then
    redis.call('HSET', chunks, ARGV[3], 'Q|' .. ARGV[4])
    redis.call('HINCRBY', job, 'items', ARGV[4])
    redis.call('HINCRBY', job, 'chunks', 1)
end
return 1
"""
)

# Then the key of who submits; token.
SEAL = (
    _KEYS
    + """
if redis.call('HGET', job, 'submitter') ~= ARGV[1] then return 0 end
redis.call('HSET', job, 'sealed', '1')
return 1
"""
)

# Then the key of who submits; token.
LEAVE = (
    _KEYS
    + """
if redis.call('GET', KEYS[8]) == ARGV[1] then redis.call('DEL', KEYS[8]) end
return 1
"""
)

# Then the key of the chunk's lease; chunk, token, ttl (ms), crashes that are too many, version of the ledger.
# Gives a word and what belongs to it; see `Lease.begin`.
BEGIN = (
    _KEYS
    + """
local lease, chunk, token = KEYS[8], ARGV[1], ARGV[2]
local state = redis.call('HGET', chunks, chunk)
if not state then return {'gone', 0} end
if redis.call('HGET', job, 'version') ~= ARGV[5] then return {'foreign', 0} end
if string.sub(state, 1, 1) ~= 'Q' then return {'over', 0} end
local held = redis.call('GET', lease)
if held and held ~= token then return {'held', redis.call('PTTL', lease)} end
if redis.call('HGET', job, 'cancelled') then return {'cancelled', 0} end
if not held then
    if redis.call('HINCRBY', crashes, chunk, 1) >= tonumber(ARGV[4]) then
        return {'poisoned', redis.call('HGET', causes, chunk) or ''}
    end
    redis.call('HINCRBY', turns, chunk, 1)
end
redis.call('SET', lease, token, 'PX', ARGV[3])
local turn, buckets = redis.call('HGET', turns, chunk), redis.call('HGET', job, 'buckets')
return {'ours', tonumber(turn), tonumber(buckets)}
"""
)

# Then the key of the chunk's lease; chunk, turn, token, ttl (ms). Gives a word.
RENEW = (
    _KEYS
    + """
local lease = KEYS[8]
if redis.call('HGET', turns, ARGV[1]) ~= ARGV[2] then return 'lost' end
-- It may have run out while Redis was away: if nobody has had a turn since, it is still ours.
local held = redis.call('GET', lease)
if held and held ~= ARGV[3] then return 'lost' end
redis.call('SET', lease, ARGV[3], 'PX', ARGV[4])
return redis.call('HGET', job, 'cancelled') and 'cancelled' or 'ours'
"""
)

# Then the key of the chunk's lease; token, chunk, and why if its work failed: that is kept, and counts as a crash.
RELEASE = (
    _KEYS
    + """
if redis.call('GET', KEYS[8]) == ARGV[1] then
    redis.call('DEL', KEYS[8])
    if ARGV[3] == '' then redis.call('HDEL', crashes, ARGV[2]) else redis.call('HSET', causes, ARGV[2], ARGV[3]) end
end
return 1
"""
)

# Then the key of the chunk's lease; chunk, turn (empty: whoever has it), state, and what is kept of a dead letter.
# Gives whether it was its to end.
END = (
    _KEYS
    + """
local lease, chunk, turn, state = KEYS[8], ARGV[1], ARGV[2], ARGV[3]
local now = redis.call('HGET', chunks, chunk)
if not now or string.sub(now, 1, 1) ~= 'Q' then return 1 end
if turn ~= '' and redis.call('HGET', turns, chunk) ~= turn then return 0 end
local open = unsettled(chunk)
if state == 'X' then
    redis.call('HINCRBY', job, 'dead', 1)
    redis.call('HINCRBY', job, 'dead_items', open)
    redis.call('HSET', dead, chunk, ARGV[4])
    state = 'X|' .. open
else
    redis.call('HINCRBY', job, 'done', 1)
    redis.call('HINCRBY', job, 'skipped', open)
end
redis.call('HSET', chunks, chunk, state)
forget(chunk)
redis.call('DEL', lease)
return 1
"""
)

# Then a key of a bucket for each item; chunk, turn, and for each item what to do, its field and its record.
# `M` marks it as about to be sent, and gives an empty text, or what stands in the way: `busy`, `done`, or its record.
# `R` records its outcome; an empty one tells that it was not sent after all. Gives `lost` to a chunk that is another's.
# At the end come the items of the job that have no outcome, and the chunks that are worked on.
NOTE = (
    _KEYS
    + """
local counts = {C = 'created', F = 'failed', U = 'unknown'}
local chunk, turn = ARGV[1], ARGV[2]
local owner = chunk .. '.' .. turn
local current = redis.call('HGET', turns, chunk) == turn
local function count(state, by) redis.call('HINCRBY', job, counts[state], by) end

local function mark(key, name, record)
    if not current then return 'lost' end
    local old = redis.call('HGET', key, name)
    if not old then
        redis.call('HSET', key, name, record)
        return ''
    end
    local state, whose, their_turn, rest = string.match(old, '^(%u)([^.|]*)%.(%d+)|(.*)$')
    if state == 'C' then return old end
    if whose == chunk then
        if state ~= 'S' then return 'done' end
        if their_turn == turn then return string.sub(old, -2) == '|d' and old or '' end
    elseif state == 'S' then
        if string.sub(redis.call('HGET', chunks, whose) or '', 1, 1) == 'Q' then return 'busy' end
    else
        -- An earlier submission has ended it so; it is counted there as skipped from now on.
        count(state, -1)
        redis.call('HINCRBY', job, 'skipped', 1)
    end
    if state == 'F' then
        redis.call('HSET', key, name, record)
        return ''
    end
    -- In doubt from here on: whatever becomes of this turn, the next one has to look for it too.
    local doubtful = 'S' .. owner .. '|' .. string.match(rest, '^[^|]*|[^|]*') .. '|d'
    redis.call('HSET', key, name, doubtful)
    return doubtful
end

local function record(key, name, new)
    local old = redis.call('HGET', key, name)
    local state, whose, their_turn = 'none', chunk, turn
    if old then state, whose, their_turn = string.match(old, '^(%u)([^.|]*)%.(%d+)|') end
    local ours = whose == chunk and their_turn == turn
    if state == 'C' or not (ours or string.sub(new, 1, 1) == 'C') then return '' end
    if new == '' then
        if state == 'S' and string.sub(old, -2) ~= '|d' then redis.call('HDEL', key, name) end
        return ''
    end
    if counts[state] then count(state, -1) else redis.call('HINCRBY', settled, whose, 1) end
    count(string.sub(new, 1, 1), 1)
    redis.call('HSET', key, name, new)
    return ''
end

local answers = {}
for i = 1, #KEYS - 7 do
    local what, name, text = ARGV[3 * i], ARGV[3 * i + 1], ARGV[3 * i + 2]
    answers[i] = (what == 'M' and mark or record)(KEYS[i + 7], name, text)
end
answers[#answers + 1] = left()
answers[#answers + 1] = redis.call('HLEN', turns)
return answers
"""
)
