/* Icons on a 16 px grid, drawn for this dashboard; each is one path. */
import { html } from "../html.js";

const paths = {
	overview: "M2.5 2.5h4.5v6H2.5zM9 2.5h4.5v3.5H9zM9 8.5h4.5v5H9zM2.5 11h4.5v2.5H2.5z",
	customers: "M6 7.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM1.5 13.5c0-2.5 2-4 4.5-4s4.5 1.5 4.5 4M10.5 2.8a2.4 2.4 0 0 1 0 4.5M12 9.8c1.6.5 2.5 1.8 2.5 3.7",
	interventions: "M2 3.5h12v8.5H2zM2 4.5l6 4.5 6-4.5",
	escalations: "M8 2.5 14.5 13.5h-13zM8 6.5v3.5M8 11.8v.1",
	playbooks: "M3 2.5h7.5a2 2 0 0 1 2 2v9H5a2 2 0 0 1-2-2zM3 11.5a1.5 1.5 0 0 1 1.5-1.5h8M6 5.5h4",
	analytics: "M2.5 13.5v-11M2.5 13.5h11M5.5 11V8M8.5 11V5M11.5 11V6.5",
	edit: "M3 13l.7-3L10.5 3.2a1.4 1.4 0 0 1 2 0l.3.3a1.4 1.4 0 0 1 0 2L6 12.3z",
	settings: "M2.5 4.5h6M12 4.5h1.5M10.2 6.2a1.7 1.7 0 1 0 0-3.4 1.7 1.7 0 0 0 0 3.4zM2.5 11.5H4M7.5 11.5h6M5.8 13.2a1.7 1.7 0 1 0 0-3.4 1.7 1.7 0 0 0 0 3.4z",
	start: "M3 13.5v-11h9l-2 3 2 3H3",
	search: "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.3 10.3l3.2 3.2",
	check: "M3 8.5l3.5 3.5 6.5-7.5",
	close: "M4 4l8 8M12 4l-8 8",
	left: "M10 4l-4 4 4 4",
	menu: "M2.5 4.5h11M2.5 8h11M2.5 11.5h11",
	help: "M8 14a6 6 0 1 0 0-12 6 6 0 0 0 0 12zM6.2 6.3c.2-1 .9-1.5 1.8-1.5 1.1 0 1.9.7 1.9 1.6 0 1.5-1.9 1.4-1.9 2.9M8 11.2v.1",
	theme: "M8 14a6 6 0 1 0 0-12 6 6 0 0 0 0 12zM8 2v12M8 5.5l4.5-1M8 8.5l5.8-1M8 11.5l4.6-1",
	flow: "M2 5h9.5M9 2.5 11.5 5 9 7.5M14 11H4.5M7 8.5 4.5 11 7 13.5",
	circle: "M8 13.5a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11z",
	out: "M6.5 2.5h-4v11h4M10 5l3 3-3 3M13 8H6",
	stop: "M5.5 2h5L14 5.5v5L10.5 14h-5L2 10.5v-5zM8 5v3.5M8 10.8v.1",
	pause: "M5.5 3.5v9M10.5 3.5v9",
	flag: "M4 14V2.5M4 3h8.5L10.5 6l2 3H4",
	copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
	undo: "M3 6.5h6.5a3.5 3.5 0 0 1 0 7H6M3 6.5 6 3.5M3 6.5l3 3",
	trash: "M3 4.5h10M6 4.5v-2h4v2M4.5 4.5l.6 9h5.8l.6-9",
	clock: "M8 14a6 6 0 1 0 0-12 6 6 0 0 0 0 12zM8 4.5V8l2.5 1.5",
};

export const Icon = ({ name }) => html`
	<svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
		<path d=${paths[name]} />
	</svg>`;
