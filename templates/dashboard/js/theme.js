/* A classic script in the head: the chosen theme holds before the first paint. */
{
	const chosen = localStorage.getItem("retivo-theme");
	if (chosen === "light" || chosen === "dark")
		document.documentElement.dataset.theme = chosen;
}
