/*
 * Which addresses an outbound request may reach: every public one, and the
 * private ones that the operator listed (RETIVO_OUTBOUND_ALLOW).
 *
 * The test is on the socket address that is about to be connected to, after
 * name resolution: a name that points inside, or that changes its answer
 * between check and use, does not get through. Never for host texts.
 */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include "base/base.h"

#include <sys/socket.h>

/*
 * False for every range of the IANA special-purpose registries (private,
 * loopback, link-local, multicast, documentation, …). Addresses that carry
 * an IPv4 address (mapped, compatible, 6to4, NAT64) are judged by it.
 * Families other than IPv4 and IPv6 are never public.
 */
bool address_is_public(const struct sockaddr *address);

/*
 * True when a CIDR of the comma-separated list covers the address. An IPv4
 * CIDR covers its mapped form too. Entries that do not parse cover nothing.
 */
bool address_is_listed(const struct sockaddr *address, const char *cidrs);

/* TCP port, or 0. */
int address_port(const struct sockaddr *address);

#endif
