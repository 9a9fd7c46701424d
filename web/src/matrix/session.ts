import { text, type JsonObject } from "./json";

/** Who is logged in, where, and as which device. */
export interface Session {
  userId: string;
  deviceId: string;
  baseUrl: string;
  accessToken: string;
  refreshToken?: string;
}

/** The session in the answer to a login or registration. */
export function sessionOf(baseUrl: string, answer: JsonObject): Session | undefined {
  const userId = text(answer["user_id"]);
  const deviceId = text(answer["device_id"]);
  const accessToken = text(answer["access_token"]);
  if (!userId || !deviceId || !accessToken) return undefined;
  const refreshToken = text(answer["refresh_token"]);
  return { userId, deviceId, baseUrl, accessToken, ...(refreshToken && { refreshToken }) };
}

/** `garden.example` of `@lena:garden.example`. */
export function serverOf(id: string): string {
  return id.slice(id.indexOf(":") + 1);
}

/** `lena` of `@lena:garden.example`. */
export function localpartOf(userId: string): string {
  const end = userId.indexOf(":");
  return userId.slice(1, end === -1 ? undefined : end);
}
