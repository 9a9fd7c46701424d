// The way to a provider of single sign-on and back: with a token, and with what only this tab knows.

const KEPT = "single sign-on";

interface Kept {
  server: string;
  state: string;
}

/** Where the provider is to lead back to. Who sends somebody an address with a token of their own does not know `state`. */
export function setOut(server: string): string {
  const state = crypto.randomUUID();
  sessionStorage.setItem(KEPT, JSON.stringify({ server, state } satisfies Kept));
  return `${location.origin}${location.pathname}?${new URLSearchParams({ state })}`;
}

/** The token with which somebody came back, once; it does not stay in the address, whoever gave it. */
export function comeBack(): { server: string; token: string } | undefined {
  const query = new URLSearchParams(location.search);
  const token = query.get("loginToken");
  if (token === null) return undefined;
  history.replaceState(null, "", location.pathname + location.hash);
  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null") as Kept | null;
  sessionStorage.removeItem(KEPT);
  return kept && kept.state === query.get("state") ? { server: kept.server, token } : undefined;
}
