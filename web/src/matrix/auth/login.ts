// Logging in with a password or a token.

import { MatrixError } from "../api/error";
import { Http } from "../api/http";
import { list, object, text, type JsonObject } from "../json";
import { sessionOf, type Session } from "../session";

/** How a server lets people in. */
export interface LoginFlows {
  password: boolean;
  /** Providers of single sign-on; one without a name if the server lists none. */
  sso: { id: string | undefined; name: string | undefined }[];
}

/** None, where a server has another way in the place of all of these. */
export async function loginFlows(http: Http): Promise<LoginFlows> {
  const answer = await http.call("GET", "/_matrix/client/v3/login", { anonymous: true }).catch((error: unknown) => {
    if (error instanceof MatrixError && error.errcode === "M_UNRECOGNIZED") return { flows: [] };
    throw error;
  });
  const flows = list(answer["flows"]).map(object);
  const flowOf = (type: string) => flows.find((flow) => flow?.["type"] === type);
  const sso = flowOf("m.login.sso");
  const providers = list(sso?.["identity_providers"]).map((provider) => ({
    id: text(object(provider)?.["id"]),
    name: text(object(provider)?.["name"]),
  }));
  const unnamed = [{ id: undefined, name: undefined }];
  return {
    password: flowOf("m.login.password") !== undefined,
    sso: sso ? (providers.length > 0 ? providers : unnamed) : [],
  };
}

/** The device that somebody logs in with. */
interface Entering {
  /** The one that it was before. */
  id: string | undefined;
  /** What it is called, if it is new. */
  name: string;
}

export function logInWithPassword(http: Http, user: string, password: string, device: Entering): Promise<Session> {
  const identifier = { type: "m.id.user", user };
  return logIn(http, { type: "m.login.password", identifier, password }, device);
}

export function logInWithToken(http: Http, token: string, device: Entering): Promise<Session> {
  return logIn(http, { type: "m.login.token", token }, device);
}

async function logIn(http: Http, credentials: JsonObject, device: Entering): Promise<Session> {
  const answer = await http.call("POST", "/_matrix/client/v3/login", {
    body: {
      ...credentials,
      refresh_token: true,
      initial_device_display_name: device.name,
      ...(device.id && { device_id: device.id }),
    },
    anonymous: true,
    impatient: true,
  });
  const session = sessionOf(http.baseUrl, answer);
  if (!session) throw new Error("the answer to the login has no session");
  return session;
}

/** Where a browser goes to log in at a provider; it comes back to `redirect` with `loginToken`. */
export function ssoUrl(baseUrl: string, providerId: string | undefined, redirect: string): string {
  const provider = providerId ? `/${encodeURIComponent(providerId)}` : "";
  const query = new URLSearchParams({ redirectUrl: redirect });
  return `${baseUrl}/_matrix/client/v3/login/sso/redirect${provider}?${query}`;
}
