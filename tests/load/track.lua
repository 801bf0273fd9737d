-- wrk: POST /api/track with BATCH events a request, each with a key of its
-- own. Prints the events stored a second.
local batch = tonumber(os.getenv("BATCH") or "100")
local key = os.getenv("KEY")
local names = { "login", "report_viewed", "export", "invite_sent" }
local threads = 0
local n = 0

function setup(thread)
	threads = threads + 1
	thread:set("id", threads)
end

function request()
	local events = {}
	for i = 1, batch do
		n = n + 1
		events[i] = string.format(
			'{"user_id":"load-%d","event":"%s","idempotency_key":"%s-%d-%d","properties":{"source":"load","n":1}}',
			(n * 7919) % 20000, names[n % 4 + 1],
			os.getenv("RUN"), id, n)
	end
	return wrk.format("POST", "/api/track", {
		["Content-Type"] = "application/json",
		["Authorization"] = "Bearer " .. key,
	}, '{"events":[' .. table.concat(events, ",") .. "]}")
end

function done(summary, latency)
	local errors = summary.errors
	local bad = errors.status + errors.connect + errors.read +
		errors.write + errors.timeout
	io.write(string.format("RESULT %.0f %.1f %d\n",
		summary.requests * batch / (summary.duration / 1e6),
		latency:percentile(99) / 1000, bad))
end
