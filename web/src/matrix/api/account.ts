// Endpoints about one's own account.

import { authenticate, type Asked } from "../auth/uia";
import type { JsonObject } from "../json";
import { capability } from "./capability";
import { path, type Http } from "./http";

const V3 = "/_matrix/client/v3";

export function changePassword(http: Http, asked: Asked, newPassword: string, logOutOthers: boolean): Promise<void> {
  const body = { new_password: newPassword, logout_devices: logOutOthers };
  return guarded(http, asked, `${V3}/account/password`, body);
}

export function deactivate(http: Http, asked: Asked, erase: boolean): Promise<void> {
  return guarded(http, asked, `${V3}/account/deactivate`, { erase });
}

async function guarded(http: Http, asked: Asked, at: string, body: JsonObject): Promise<void> {
  await authenticate((auth) => http.call("POST", at, { body: { ...body, ...(auth && { auth }) } }), asked);
}

export async function setAvatar(http: Http, userId: string, url: string | undefined): Promise<void> {
  await http.call("PUT", V3 + path`/profile/${userId}/avatar_url`, { body: { avatar_url: url ?? "" } });
}

/** Whether the server lets people change their password. */
export async function mayChangePassword(http: Http): Promise<boolean> {
  return (await capability(http, "m.change_password"))?.["enabled"] !== false;
}
