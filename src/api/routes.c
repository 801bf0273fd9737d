/*
 * The list of lists. Everything that the API answers to is named here once.
 */
#include "api/routes.h"

/* Counts are in other objects, so the list is made when it is asked for. */
#define ROUTE_LISTS 32

static void all_lists(struct route_list ret[ROUTE_LISTS])
{
	const struct route_list lists[ROUTE_LISTS] = {
		{ account_routes, account_route_count },
		{ activity_routes, activity_route_count },
		{ analytics_routes, analytics_route_count },
		{ audit_routes, audit_route_count },
		{ backtest_routes, backtest_route_count },
		{ billing_routes, billing_route_count },
		{ brand_routes, brand_route_count },
		{ connectors_routes, connectors_route_count },
		{ customers_routes, customers_route_count },
		{ deliveries_routes, deliveries_route_count },
		{ escalations_routes, escalations_route_count },
		{ events_routes, events_route_count },
		{ explain_routes, explain_route_count },
		{ intervention_bulk_routes, intervention_bulk_route_count },
		{ intervention_edit_routes, intervention_edit_route_count },
		{ intervention_resend_routes, intervention_resend_route_count },
		{ interventions_routes, interventions_route_count },
		{ library_routes, library_route_count },
		{ personal_data_routes, personal_data_route_count },
		{ playbook_preview_routes, playbook_preview_route_count },
		{ playbooks_routes, playbooks_route_count },
		{ privacy_routes, privacy_route_count },
		{ sessions_routes, sessions_route_count },
		{ settings_routes, settings_route_count },
		{ settings_copy_routes, settings_copy_route_count },
		{ settings_preview_routes, settings_preview_route_count },
		{ shadow_routes, shadow_route_count },
		{ system_routes, system_route_count },
		{ team_routes, team_route_count },
		{ timeline_routes, timeline_route_count },
		{ timeseries_routes, timeseries_route_count },
		{ webhooks_routes, webhooks_route_count },
	};

	memcpy(ret, lists, sizeof(lists));
}

struct router *routes_index(void)
{
	struct route_list lists[ROUTE_LISTS];

	all_lists(lists);
	return router_new(lists, ROUTE_LISTS);
}

void routes_write(struct str *out)
{
	struct route_list lists[ROUTE_LISTS];

	all_lists(lists);
	for (size_t i = 0; i < ROUTE_LISTS; i++) {
		for (size_t k = 0; k < lists[i].count; k++) {
			const struct route *r = &lists[i].routes[k];

			str_printf(out, "%s %s %s %s\n",
				   http_method_name(r->method), r->pattern,
				   access_name(r->access), r->operation_id);
		}
	}
}
