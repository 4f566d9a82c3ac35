/** Which page is shown: it stands in the address behind `#`, so that it can be sent to somebody. */
import { useEffect, useState } from 'preact/hooks';

export type Route =
  | { readonly kind: 'overview' }
  | { readonly kind: 'node'; readonly node: string }
  | { readonly kind: 'room'; readonly room: string }
  | { readonly kind: 'user'; readonly user: string };

export function routeOf(hash: string): Route {
  const [, kind, name] = /^#\/(rooms|nodes|users)\/([^/]+)$/.exec(hash) ?? [];
  let decoded: string;
  try {
    decoded = decodeURIComponent(name ?? '');
  } catch {
    return { kind: 'overview' };
  }
  if (kind === 'rooms') return { kind: 'room', room: decoded };
  if (kind === 'nodes') return { kind: 'node', node: decoded };
  return kind === 'users' ? { kind: 'user', user: decoded } : { kind: 'overview' };
}

export function hrefOf(route: Route): string {
  switch (route.kind) {
    case 'overview':
      return '#/';
    case 'node':
      return `#/nodes/${encodeURIComponent(route.node)}`;
    case 'room':
      return `#/rooms/${encodeURIComponent(route.room)}`;
    case 'user':
      return `#/users/${encodeURIComponent(route.user)}`;
    default:
      return route satisfies never;
  }
}

export function go(route: Route): void {
  location.hash = hrefOf(route);
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => routeOf(location.hash));
  useEffect(() => {
    const changed = () => {
      setRoute(routeOf(location.hash));
      window.scrollTo(0, 0);
    };
    window.addEventListener('hashchange', changed);
    // Between the first drawing and now nobody listened.
    if (hrefOf(routeOf(location.hash)) !== hrefOf(route)) changed();
    return () => window.removeEventListener('hashchange', changed);
  }, []);
  return route;
}
