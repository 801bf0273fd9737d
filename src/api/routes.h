/*
 * All operations: one const array per file of handlers. A new file adds its
 * two lines here and one in routes.c.
 */
#ifndef API_ROUTES_H
#define API_ROUTES_H

#include "base/str.h"
#include "http/router.h"

extern const struct route account_routes[];
extern const size_t account_route_count;
extern const struct route activity_routes[];
extern const size_t activity_route_count;
extern const struct route analytics_routes[];
extern const size_t analytics_route_count;
extern const struct route audit_routes[];
extern const size_t audit_route_count;
extern const struct route backtest_routes[];
extern const size_t backtest_route_count;
extern const struct route billing_routes[];
extern const size_t billing_route_count;
extern const struct route brand_routes[];
extern const size_t brand_route_count;
extern const struct route connectors_routes[];
extern const size_t connectors_route_count;
extern const struct route customers_routes[];
extern const size_t customers_route_count;
extern const struct route deliveries_routes[];
extern const size_t deliveries_route_count;
extern const struct route escalations_routes[];
extern const size_t escalations_route_count;
extern const struct route events_routes[];
extern const size_t events_route_count;
extern const struct route explain_routes[];
extern const size_t explain_route_count;
extern const struct route intervention_bulk_routes[];
extern const size_t intervention_bulk_route_count;
extern const struct route intervention_edit_routes[];
extern const size_t intervention_edit_route_count;
extern const struct route intervention_resend_routes[];
extern const size_t intervention_resend_route_count;
extern const struct route interventions_routes[];
extern const size_t interventions_route_count;
extern const struct route library_routes[];
extern const size_t library_route_count;
extern const struct route personal_data_routes[];
extern const size_t personal_data_route_count;
extern const struct route playbook_preview_routes[];
extern const size_t playbook_preview_route_count;
extern const struct route playbooks_routes[];
extern const size_t playbooks_route_count;
extern const struct route privacy_routes[];
extern const size_t privacy_route_count;
extern const struct route sessions_routes[];
extern const size_t sessions_route_count;
extern const struct route settings_routes[];
extern const size_t settings_route_count;
extern const struct route settings_copy_routes[];
extern const size_t settings_copy_route_count;
extern const struct route settings_preview_routes[];
extern const size_t settings_preview_route_count;
extern const struct route shadow_routes[];
extern const size_t shadow_route_count;
extern const struct route system_routes[];
extern const size_t system_route_count;
extern const struct route team_routes[];
extern const size_t team_route_count;
extern const struct route timeline_routes[];
extern const size_t timeline_route_count;
extern const struct route timeseries_routes[];
extern const size_t timeseries_route_count;
extern const struct route webhooks_routes[];
extern const size_t webhooks_route_count;

/*
 * Each file ends with:
 *	const struct route events_routes[] = { … };
 *	const size_t events_route_count = ARRAY_LEN(events_routes);
 */

/* owned: the index over all of them; free with router_free(). */
struct router *routes_index(void);

/* Writes "METHOD pattern access operationId" lines. */
void routes_write(struct str *out);

#endif
