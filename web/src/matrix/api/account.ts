// Endpoints about one's own account.

import { authenticate, BY_PASSWORD, type AskStage } from "../auth/uia";
import type { JsonObject } from "../json";
import { capability } from "./capability";
import { path, type Http } from "./http";

const V3 = "/_matrix/client/v3";

/** Answers the password once; asked again, it was wrong, and one gives up. */
export function byPassword(userId: string, password: string): AskStage {
  let isGiven = false;
  return async ({ type }) => {
    if (type === "m.login.dummy") return {};
    if (isGiven) return undefined;
    isGiven = true;
    return { identifier: { type: "m.id.user", user: userId }, password };
  };
}

export function changePassword(http: Http, ask: AskStage, newPassword: string, logOutOthers: boolean): Promise<void> {
  const body = { new_password: newPassword, logout_devices: logOutOthers };
  return guarded(http, ask, `${V3}/account/password`, body);
}

export function deactivate(http: Http, ask: AskStage, erase: boolean): Promise<void> {
  return guarded(http, ask, `${V3}/account/deactivate`, { erase });
}

async function guarded(http: Http, ask: AskStage, at: string, body: JsonObject): Promise<void> {
  await authenticate((auth) => http.call("POST", at, { body: { ...body, ...(auth && { auth }) } }), ask, BY_PASSWORD);
}

export async function setAvatar(http: Http, userId: string, url: string | undefined): Promise<void> {
  await http.call("PUT", V3 + path`/profile/${userId}/avatar_url`, { body: { avatar_url: url ?? "" } });
}

/** Whether the server lets people change their password. */
export async function mayChangePassword(http: Http): Promise<boolean> {
  return (await capability(http, "m.change_password"))?.["enabled"] !== false;
}
