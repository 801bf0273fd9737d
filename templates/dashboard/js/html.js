/*
 * What every view is made of: Preact, its hooks and htm's templates. The
 * only module that names the vendored files.
 */
import { createContext, h, render } from "../vendor/preact.js";
import htm from "../vendor/htm.js";

export {
	useCallback, useContext, useEffect, useId, useLayoutEffect, useMemo, useRef, useState,
} from "../vendor/preact-hooks.js";
export { createContext, h, render };

export const html = htm.bind(h);

/** Joins the class names that are not false: `classes("a", open && "b")`. */
export const classes = (...names) => names.filter(Boolean).join(" ");
