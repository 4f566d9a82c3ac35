/** For lists that scroll: they can be reached, and then scrolled, by keys. */
export function scrolls(element: HTMLElement | null): void {
  if (element !== null) element.tabIndex = 0;
}
