/* Requests that are nearly right: an operation's own example with something
 * about it changed. The same seed makes the same requests. */
const LONG = "x".repeat(70000);
const DEEP = (n) => JSON.parse("[".repeat(n) + "]".repeat(n));

/* Values that have broken one parser or another. */
const STRINGS = ["", " ", "\t\n", "0", "-1", "null", "true", "NaN", "1e309", "a".repeat(255),
	"a".repeat(256), "é".repeat(128), "x".repeat(5000), LONG, "\u0001", "a\u0000b", "\ud800",
	"\ufeffx", "\u202edrawkcab", "👩‍👩‍👧‍👦", "İ", "ß".repeat(300), "'; drop table customers; --",
	"%s%n%x", "%00", "../../etc/passwd", "$1", "{{name}}", "{{name|}}", "{{", "<script>x</script>",
	"a@b", "a@b.example\r\nBcc: x@y.example", "@", "http://169.254.169.254/", "javascript:alert(1)",
	"https://user:pw@host.example:99999/", "https://[::1]/", "file:///etc/passwd", "rt_live_1_x",
	"2026-02-30T00:00:00Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:60+23:59", "infinity",
	"294277-01-01T00:00:00Z", "int_abc123", "00000000-0000-0000-0000-000000000000",
	"01938C4E-5B1A-7C3E-9F20-6D1F0A2B3C4D", "Europe/Nowhere", "__proto__", "constructor"];
const NUMBERS = [0, -0, -1, 1, 0.5, 1.5, 101, 255, 65536, 2147483647, 2147483648, -2147483649,
	4294967296, 9007199254740993, 9223372036854775807, -9223372036854775808, 1e19, 1e-400,
	5e-324, 1.7976931348623157e308];
const OTHERS = [null, true, false, [], {}, [null], [[]], [{}], { "": "" }, { a: { b: [] } },
	[1, "1", null], DEEP(20), DEEP(200), Array(101).fill({}), Array(500).fill("x")];
/* Numbers that JSON.stringify cannot write; put in after it. */
const RAW = ["1e999", "-1e999", "1e-9999", "1".repeat(400), "0.".padEnd(400, "1"), "-0.0", "01",
	"NaN", "\"\\ud800\"", "\"\\u0000\"", "{\"a\":1,\"a\":2}", "\"\\x\"", "tru"];
const NAMES = ["", "a", "tenant_id", "id", "status", "__proto__", "x".repeat(300), "a.b", "é",
	"a\u0000", "opted_out", "created_at", "$identify"];
const HEADERS = [["accept", "text/html"], ["accept-encoding", "gzip;q=0, br"], ["x-retivo-csrf", ""],
	["x-request-id", "x".repeat(500)], ["x-forwarded-for", "' or 1=1"], ["origin", "null"],
	["cookie", "retivo_session=rt_sess_1_x; retivo_session="], ["cookie", ";;;=;"],
	["authorization", "Basic Og=="], ["authorization", "Bearer \u00e9"], ["content-encoding", "gzip"],
	["content-type", "application/json; charset=latin1"], ["content-type", "text/plain"],
	["content-type", ";"], ["if-match", "*"], ["range", "bytes=0-1"],
	["x-http-method-override", "DELETE"], ["expect", "200-ok"], ["user-agent", ""],
	["x-long", "y".repeat(3000)]];
const QUERIES = ["limit=abc", "limit=-1", "limit=0", "limit=1e9", "limit=", "limit=20&limit=30",
	"cursor=x", "cursor=%00", "cursor=%ff%fe", "cursor=" + "A".repeat(2000), "search=%25%27",
	"sort=-", "sort=name%00", "range=8d", "range=", "status=planned,,", "stage=nope", "risk=,",
	"segment=%F0%9F%98%80", "user_id=" + "u".repeat(300), "=", "&&&", "%", "%zz=1", "a[]=1",
	"days=-5", "mode=live", "action=%00", "playbook_id=x"];

export class Random {
	constructor(seed) {
		this.state = seed >>> 0;
	}

	/* mulberry32: [0, 1) */
	next() {
		this.state = (this.state + 0x6d2b79f5) >>> 0;
		let t = this.state;
		t = Math.imul(t ^ (t >>> 15), t | 1);
		t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
		return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
	}

	below(n) {
		return Math.floor(this.next() * n);
	}

	of(list) {
		return list[this.below(list.length)];
	}
}

const value = (random) =>
	structuredClone(random.of(random.of([STRINGS, STRINGS, NUMBERS, OTHERS])));

/* Every place in a document: [parent, key]. */
function places(doc, found = []) {
	for (const key of Object.keys(doc ?? {})) {
		found.push([doc, key]);
		if (doc[key] !== null && typeof doc[key] === "object")
			places(doc[key], found);
	}
	return found;
}

const MARK = "\ue000raw\ue000";

/* The text of the example with one or more places changed. */
function body_text(random, example) {
	const doc = structuredClone(example);
	const changes = 1 + random.below(3);
	let raw;

	if (random.below(20) === 0)
		return random.of(["", "{", "[]", "null", "7", "\"x\"", "{}", "\u00ef\u00bb\u00bf{}",
			JSON.stringify(doc) + "x", JSON.stringify(doc).slice(0, -1),
			JSON.stringify([doc]), "[".repeat(3000)]);
	for (let i = 0; i < changes; i++) {
		const [parent, key] = random.of([...places(doc), [doc, random.of(NAMES)]]);
		switch (random.below(6)) {
		case 0:
			if (Array.isArray(parent))
				parent.splice(Number(key), 1);
			else
				delete parent[key];
			break;
		case 1:
			if (raw === undefined) {
				raw = random.of(RAW);
				set(parent, key, MARK);
				break;
			}
			/* falls through */
		case 2:
			if (!Array.isArray(parent)) {
				set(parent, random.of(NAMES), value(random));
				break;
			}
			/* falls through */
		default:
			set(parent, key, value(random));
		}
	}
	const text = JSON.stringify(doc);
	return raw === undefined ? text : text.replace(JSON.stringify(MARK), raw);
}

function set(parent, key, to) {
	Object.defineProperty(parent, key,
		{ value: to, enumerable: true, configurable: true, writable: true });
}

/*
 * One request: {target, raw, headers, type}. ids: for the path's parameters,
 * mostly a right one. type is the content type of example, undefined for an
 * operation without a body.
 */
export function nearly(random, path, ids, type, example) {
	const request = { headers: {} };
	const what = random.below(example === undefined ? 6 : 12);

	request.target = path.replaceAll(/\{([^}]+)\}/g, (_, name) =>
		what === 0 || !ids[name] ? encodeURIComponent(
			random.of(STRINGS.filter((s) => s.length < 3000 && s.isWellFormed())))
			: encodeURIComponent(ids[name]));
	if (what === 1 || what === 2 || (example === undefined && what > 3))
		request.target += "?" + Array.from({ length: 1 + random.below(3) },
			() => random.of(QUERIES)).join("&");
	if (what === 3) {
		const [name, text] = random.of(HEADERS);
		request.headers[name] = text;
	}
	if (example !== undefined) {
		request.type = type;
		request.raw = what > 3 ? body_text(random, example) : JSON.stringify(example);
		if (type === "application/x-www-form-urlencoded" && what < 9)
			request.raw = String(new URLSearchParams(what > 3
				? { ...example, [random.of(NAMES)]: random.of(STRINGS) } : example));
	} else if (random.below(10) === 0)
		request.raw = body_text(random, { a: 1 });
	return request;
}
