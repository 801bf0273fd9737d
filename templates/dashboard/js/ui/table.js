/*
 * One table for all lists: skeleton, emptiness, trouble with another try,
 * pages, and j, k and Enter. A row opens by its first cell's link.
 */
import { classes, html, useLayoutEffect, useRef, useState } from "../html.js";
import { navigate } from "../router.js";
import { Button, Failure, Skeleton } from "./basics.js";
import { useKeys } from "./keys.js";

/**
 * @param {object} props
 * @param {string} props.label
 * @param {ReturnType<import("../data.js").usePages>} props.of
 * @param {Array<{ title: string, cell: (row) => unknown, class?: string }>} props.columns
 *   class: "number" aligns right; "wide" and "mid" leave narrow windows
 * @param {(row) => string} [props.href] where the row leads
 * @param {(row) => string} props.keyOf
 * @param {boolean} [props.stack] in narrow windows a row is a small card: its
 *   cells two by two, those of class "wrap" and the actions on lines of their own
 */
export function Table({ label, of, columns, href, keyOf = (row) => row.id, empty, actions, stack }) {
	const [at, setAt] = useState(-1);
	const body = useRef();
	const rows = of.rows;
	const move = (by) => rows?.length && setAt((i) => Math.max(0, Math.min(rows.length - 1, i + by)));
	useKeys(href ? [
		["j", "Next row", () => move(1)],
		["k", "Previous row", () => move(-1)],
		["Enter", "Open the row", () => rows?.[at] && navigate(href(rows[at]))],
	] : []);
	useLayoutEffect(() => {
		body.current?.rows[at]?.querySelector("a, button")?.focus();
	}, [at]);

	if (rows === undefined)
		return of.error ? html`<${Failure} error=${of.error} retry=${of.reload} />` : html`<${Skeleton} lines=${8} />`;
	if (rows.length === 0)
		return empty;
	const open = (row) => (event) => {
		if (href && !event.target.closest("a, button, input, label") && !String(getSelection()))
			navigate(href(row));
	};
	/* Cells that are no table to the eye stay one to the ear. */
	const role = (name) => stack ? name : undefined;
	return html`
		<div class="table-scroll" tabindex="0" role="region" aria-label=${label}>
			<table class=${classes(href && "opens", stack && "stack")} role=${role("table")}>
				<thead role=${role("rowgroup")}><tr role=${role("row")}>${columns.map((column) => html`
					<th key=${column.title} scope="col" role=${role("columnheader")} class=${column.class}>${column.title}</th>`)}
					${actions && html`<th scope="col" role=${role("columnheader")}><span class="visually-hidden">Actions</span></th>`}</tr></thead>
				<tbody ref=${body} role=${role("rowgroup")}>${rows.map((row, i) => html`
					<tr key=${keyOf(row)} role=${role("row")} class=${classes(i === at && "current")} onClick=${open(row)}>
						${columns.map((column, k) => html`<td key=${column.title} role=${role("cell")} class=${column.class}>${
							k === 0 && href ? html`<a href=${href(row)}>${column.cell(row)}</a>` : column.cell(row)}</td>`)}
						${actions && html`<td class="row-actions" role=${role("cell")}>${actions(row)}</td>`}
					</tr>`)}</tbody>
			</table>
		</div>
		${of.error && html`<p class="error table-foot" role="alert">${of.error.message}</p>`}
		<${Pager} of=${of} />`;
}

export const Pager = ({ of }) => (of.previous || of.next) && html`
	<div class="pager" role="group" aria-label="Pages of the list">
		<span class="faint">Page ${of.page}</span>
		<${Button} disabled=${!of.previous} onClick=${of.previous} icon="left">Previous<//>
		<${Button} disabled=${!of.next} onClick=${of.next}>Next<//>
	</div>`;
