// Where to go after signing in: the `next` of the address, if it is a page of ours and nothing else.

export function placeAfterSignIn(search: string): string {
  const next = new URLSearchParams(search).get("next") ?? "";
  // "//host" and "/\\host" lead away from here.
  return /^\/(?![/\\])/.test(next) && !next.startsWith("/login") ? next : "/dags";
}
