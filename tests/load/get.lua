-- wrk: GET with a key. Prints requests a second, p99 in ms, errors.
wrk.headers["Authorization"] = "Bearer " .. os.getenv("KEY")

function done(summary, latency)
	local errors = summary.errors
	local bad = errors.connect + errors.read + errors.write + errors.timeout
	if os.getenv("ANY_STATUS") == nil then bad = bad + errors.status end
	io.write(string.format("RESULT %.0f %.1f %d\n",
		summary.requests / (summary.duration / 1e6),
		latency:percentile(99) / 1000, bad))
end
