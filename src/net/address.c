/*
 * The address policy of outbound requests: the last word before a socket
 * is made (net/http_client.c).
 *
 * Every address is brought to 16 bytes, IPv4 in its mapped form, so that
 * one comparison serves all tables.
 */
#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#define CIDR_TEXT_MAX 64

struct cidr {
	unsigned char bytes[16];
	int bits;
};

/* IANA's special-purpose registries; IPv6 outside 2000::/3 is refused. */
static const char *const not_public[] = {
	"0.0.0.0/8",	   "10.0.0.0/8",     "100.64.0.0/10",
	"127.0.0.0/8",	   "169.254.0.0/16", "172.16.0.0/12",
	"192.0.0.0/24",	   "192.0.2.0/24",   "192.31.196.0/24",
	"192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
	"192.175.48.0/24", "198.18.0.0/15",  "198.51.100.0/24",
	"203.0.113.0/24",  "224.0.0.0/4",    "240.0.0.0/4",
	"2001::/23",	   "2001:db8::/32",  "3fff::/20",
};

/* Prefixes behind which an IPv4 address stands, from that byte on. */
static const struct {
	const char *cidr;
	int at;
} carriers[] = {
	{ "64:ff9b::/96", 12 }, /* NAT64 */
	{ "2002::/16", 2 },	/* 6to4 */
	{ "::/96", 12 },	/* IPv4-compatible, and :: and ::1 */
};

static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

static void from_ipv4(unsigned char ret[16], const void *four)
{
	memcpy(ret, mapped, sizeof(mapped));
	memcpy(ret + sizeof(mapped), four, 4);
}

static bool from_sockaddr(unsigned char ret[16], const struct sockaddr *address)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	switch (address->sa_family) {
	case AF_INET:
		memcpy(&v4, address, sizeof(v4));
		from_ipv4(ret, &v4.sin_addr);
		return true;
	case AF_INET6:
		memcpy(&v6, address, sizeof(v6));
		memcpy(ret, &v6.sin6_addr, 16);
		return true;
	default:
		return false;
	}
}

/* "10.0.0.0/8", "fd00::/8", or an address without length. */
static bool cidr_parse(const char *text, size_t len, struct cidr *ret)
{
	char buffer[CIDR_TEXT_MAX];
	unsigned char four[4];
	int bits = -1;

	if (len == 0 || len >= sizeof(buffer))
		return false;
	memcpy(buffer, text, len);
	buffer[len] = '\0';
	char *slash = strchr(buffer, '/');
	if (slash != NULL) {
		char *end;

		*slash = '\0';
		if (slash[1] < '0' || slash[1] > '9')
			return false;
		long n = strtol(slash + 1, &end, 10);
		if (*end != '\0' || n > 128)
			return false;
		bits = (int)n;
	}
	if (inet_pton(AF_INET, buffer, four) == 1) {
		if (bits > 32)
			return false;
		from_ipv4(ret->bytes, four);
		ret->bits = 96 + (bits < 0 ? 32 : bits);
		return true;
	}
	ret->bits = bits < 0 ? 128 : bits;
	return inet_pton(AF_INET6, buffer, ret->bytes) == 1;
}

static bool cidr_covers(const struct cidr *cidr, const unsigned char ip[16])
{
	int whole = cidr->bits / 8, rest = cidr->bits % 8;

	if (memcmp(cidr->bytes, ip, (size_t)whole) != 0)
		return false;
	if (rest == 0)
		return true;
	unsigned char mask = (unsigned char)(0xff << (8 - rest));
	return (cidr->bytes[whole] & mask) == (ip[whole] & mask);
}

static bool text_covers(const char *text, const unsigned char ip[16])
{
	struct cidr cidr;

	return cidr_parse(text, strlen(text), &cidr) && cidr_covers(&cidr, ip);
}

static bool bytes_are_public(const unsigned char ip[16])
{
	bool v4 = memcmp(ip, mapped, sizeof(mapped)) == 0;

	for (size_t i = 0; !v4 && i < ARRAY_LEN(carriers); i++) {
		if (!text_covers(carriers[i].cidr, ip))
			continue;
		unsigned char inner[16];
		from_ipv4(inner, ip + carriers[i].at);
		return bytes_are_public(inner);
	}
	for (size_t i = 0; i < ARRAY_LEN(not_public); i++) {
		if (text_covers(not_public[i], ip))
			return false;
	}
	return v4 || text_covers("2000::/3", ip);
}

bool address_is_public(const struct sockaddr *address)
{
	unsigned char ip[16];

	return from_sockaddr(ip, address) && bytes_are_public(ip);
}

/* The next entry of a comma-separated list, spaces cut; false at the end. */
static bool list_next(const char **at, const char **ret_entry, size_t *ret_len)
{
	const char *p = *at + strspn(*at, " ,");
	size_t len = strcspn(p, ",");

	*at = p + len;
	while (len > 0 && p[len - 1] == ' ')
		len--;
	*ret_entry = p;
	*ret_len = len;
	return len > 0;
}

bool address_is_listed(const struct sockaddr *address, const char *cidrs)
{
	unsigned char ip[16];
	const char *entry;
	size_t len;

	if (cidrs == NULL || !from_sockaddr(ip, address))
		return false;
	while (list_next(&cidrs, &entry, &len)) {
		struct cidr cidr;

		if (cidr_parse(entry, len, &cidr) && cidr_covers(&cidr, ip))
			return true;
	}
	return false;
}

int address_port(const struct sockaddr *address)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	switch (address->sa_family) {
	case AF_INET:
		memcpy(&v4, address, sizeof(v4));
		return ntohs(v4.sin_port);
	case AF_INET6:
		memcpy(&v6, address, sizeof(v6));
		return ntohs(v6.sin6_port);
	default:
		return 0;
	}
}
